"""Row-level security for migrations: which rows the web role reaches, table by table.

A table with a column `workspace_id`, and one that hangs below such a table, says in a migration who reaches its rows:

    operations = [rls.enable("tag", rls.OF_WORKSPACE), rls.enable("workflow_tag", rls.below("workflow"))]

The migration depends on that of `apps.accounts` which makes the role. A test lists the tables from the catalogue and fails for one that
was forgotten. Conditions are added up; in each, {table} stands for the table.
"""

from collections.abc import Sequence
from pathlib import Path

from django.db import migrations

from apps.core.postgresql.base import WEB_ROLE

# Sub-selects, so that PostgreSQL asks once for a statement and not once for a row, and only when it comes to that.
CALLER = "(select fence_user())"
OF_WORKSPACE = "{table}.workspace_id = any ((select fence_workspaces())::uuid[])"
"""The caller is a member of the row's workspace."""


def of_workflow(column: str = "workflow_id") -> str:
    """The row's workflow was shared with the caller."""
    return f"{{table}}.{column} = any ((select fence_workflows())::uuid[])"


def of_team(column: str = "team_id") -> str:
    """The caller is in the row's team."""
    return f"{{table}}.{column} = any ((select fence_teams())::uuid[])"


def below(parent: str, column: str | None = None) -> str:
    """The caller reaches the row of `parent` that `column` names, `<parent>_id` unless it is given."""
    return f"exists (select from {parent} p where p.id = {{table}}.{column or f'{parent}_id'})"


def enable(table: str, *conditions: str) -> migrations.RunSQL:
    """Let the web role see, make and change those rows of a table for which one of the conditions holds, and no others."""
    return migrations.RunSQL(
        [f"alter table {table} enable row level security", _policy(table, "fence", "all", conditions)],
        [f"drop policy fence on {table}", f"alter table {table} disable row level security"],
    )


def allow_reading(table: str, name: str, *conditions: str) -> migrations.RunSQL:
    """Let the web role also read, and no more than that, those rows for which one of the conditions holds.

    name   of the policy, unlike others of the table
    """
    return migrations.RunSQL(_policy(table, name, "select", conditions), f"drop policy {name} on {table}")


def functions(file: Path, *names: str) -> migrations.RunSQL:
    """Make the functions in a file of SQL, and let those named, with their arguments, find tables and functions in our schema alone.

    Each that is `security definer` has to be named: with another search path, a caller could put its own tables in place of ours.
    """
    return migrations.RunSQL([file.read_text(encoding="utf-8"), *map(_pin, names)], [])


def _policy(table: str, name: str, command: str, conditions: Sequence[str]) -> str:
    either = "\n    or ".join(condition.format(table=table) for condition in conditions)
    return f"create policy {name} on {table} for {command} to {WEB_ROLE} using (\n    {either})"


def _pin(function: str) -> str:
    return f"""
    do $$ begin
        execute format('alter function {function} set search_path = %I, pg_temp', current_schema());
    end $$"""


_CREATE_ROLE = f"""
do $$
declare
    v_hint constant text := format(
        'Let an administrator of the server do it, and migrate again: create role {WEB_ROLE} nologin; grant {WEB_ROLE} to %I;',
        current_user);
    v_use constant text := case when current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end;
begin
    -- Roles belong to the server: another database on it may have made this one, even at this very moment.
    if not exists (select from pg_roles where rolname = '{WEB_ROLE}') then
        begin
            create role {WEB_ROLE} nologin;
        exception
            when duplicate_object or unique_violation then null;
            when insufficient_privilege then
                raise exception 'The role {WEB_ROLE} is missing, and {{}} may not create roles.', current_user using hint = v_hint;
        end;
    end if;
    if not pg_has_role(current_user, '{WEB_ROLE}', v_use) then
        begin
            execute format('grant {WEB_ROLE} to %I', current_user);
        exception when insufficient_privilege then
            raise exception 'The role {WEB_ROLE} was not granted to {{}}.', current_user using hint = v_hint;
        end;
    end if;
    execute format('grant usage on schema %I to {WEB_ROLE}', current_schema());
    execute format('grant select, insert, update, delete on all tables in schema %I to {WEB_ROLE}', current_schema());
    execute format('grant usage on all sequences in schema %I to {WEB_ROLE}', current_schema());
    -- What later migrations make; they run as the same owner.
    execute format('alter default privileges in schema %I grant select, insert, update, delete on tables to {WEB_ROLE}', current_schema());
    execute format('alter default privileges in schema %I grant usage on sequences to {WEB_ROLE}', current_schema());
end $$""".replace("{}", "%")


def create_role() -> migrations.RunSQL:
    """The role that requests of the web process take: it cannot log in, owns nothing, and is subject to every policy."""
    return migrations.RunSQL(_CREATE_ROLE, migrations.RunSQL.noop)
