"""What mails about tasks say."""

from collections.abc import Mapping

from apps.accounts.languages import Language

Words = Mapping[str, str]

ENGLISH: Words = {
    "task_offered": "A task for you: {}",
    "task_reminder": "Still to be done: {}",
    "task_escalated": "Overdue: {}",
    "task": "Task:    {}",
    "due": "Due:     {}",
    "answer": "Answer:  {}",
    "link": "The link is yours alone, and asks you to log in.",
}

CHINESE: Words = {
    "task_offered": "您有新任务：{}",
    "task_reminder": "任务尚未处理：{}",
    "task_escalated": "任务已逾期：{}",
    "task": "任务：{}",
    "due": "截止时间：{}",
    "answer": "前往处理：{}",
    "link": "此链接仅供您本人使用，打开时需要登录。",
}

WORDS: Mapping[Language, Words] = {Language.ENGLISH: ENGLISH, Language.CHINESE: CHINESE}
