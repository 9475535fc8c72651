"""What templates are about, and what that is called in each language."""

from collections.abc import Mapping

from django.db import models

from apps.templates.languages import CHINESE, ENGLISH


class Category(models.TextChoices):
    BASICS = "basics", "First steps"
    COMMERCE = "commerce", "Orders and stock"
    FINANCE = "finance", "Finance"
    SALES = "sales", "Sales and customers"
    SUPPORT = "support", "Support"
    DATA = "data", "Data"
    REPORTING = "reporting", "Reports"
    OPERATIONS = "operations", "Operations"
    INTEGRATION = "integration", "Integration"
    OTHER = "other", "Other"


_CHINESE: Mapping[str, str] = {
    Category.BASICS: "入门",
    Category.COMMERCE: "订单与库存",
    Category.FINANCE: "财务",
    Category.SALES: "销售与客户",
    Category.SUPPORT: "客户支持",
    Category.DATA: "数据",
    Category.REPORTING: "报表",
    Category.OPERATIONS: "运维",
    Category.INTEGRATION: "集成",
    Category.OTHER: "其他",
}
TITLES: Mapping[str, Mapping[str, str]] = {ENGLISH: dict(Category.choices), CHINESE: _CHINESE}
