"""What mails about executions and schedules say."""

from collections.abc import Mapping
from dataclasses import dataclass

from apps.accounts.languages import Language


@dataclass(frozen=True, slots=True)
class Words:
    """
    subjects   by event, with the name of the workflow
    facts      names of facts; those that are not there stay as they are
    statuses   of executions, likewise
    version    name and number of a version
    """

    subjects: Mapping[str, str]
    facts: Mapping[str, str]
    statuses: Mapping[str, str]
    version: str
    is_wide: bool = False

    def line(self, fact: str, value: object) -> str:
        name = self.facts.get(fact, fact)
        return f"{name}：{value}" if self.is_wide else f"{name + ':':14}{value}"


ENGLISH = Words(
    subjects={
        "success": "{workflow} has succeeded",
        "failed": "{workflow} has failed",
        "cancelled": "{workflow} was cancelled",
        "retrying": "{workflow} has failed, and is tried again",
        "compensation_failed": "{workflow}: not everything could be undone",
        "schedule_missed": "{workflow}: a scheduled run was missed",
        "schedule_failed": "{workflow}: a scheduled run could not be started",
        "schedule_late": "{workflow}: a scheduled run is late",
    },
    facts={},
    statuses={},
    version="{workflow}, version {number}",
)

CHINESE = Words(
    subjects={
        "success": "{workflow} 执行成功",
        "failed": "{workflow} 执行失败",
        "cancelled": "{workflow} 已取消",
        "retrying": "{workflow} 执行失败，正在重试",
        "compensation_failed": "{workflow}：未能全部撤销",
        "schedule_missed": "{workflow}：错过了一次定时执行",
        "schedule_failed": "{workflow}：定时执行未能启动",
        "schedule_late": "{workflow}：定时执行已延迟",
    },
    facts={
        "Workflow": "工作流",
        "Execution": "执行",
        "Business key": "业务编号",
        "Status": "状态",
        "Finished": "结束时间",
        "Node": "节点",
        "Error": "错误",
        "See": "查看",
        "Schedule": "定时计划",
        "Runs": "次数",
        "First for": "最早计划时间",
        "Last for": "最晚计划时间",
    },
    statuses={"success": "成功", "failed": "失败", "cancelled": "已取消", "running": "运行中", "pending": "等待中"},
    version="{workflow}，版本 {number}",
    is_wide=True,
)

WORDS: Mapping[Language, Words] = {Language.ENGLISH: ENGLISH, Language.CHINESE: CHINESE}
