from django.urls import path

from apps.triggers.api import calendars, events, schedules, webhooks

SCHEDULE = "schedules/<uuid:schedule_id>"
WEBHOOK = "webhooks/<uuid:webhook_id>"
CALL = "webhook-calls/<uuid:call_id>"

urlpatterns = [
    path("schedules", schedules.SchedulesView.as_view(), name="schedules"),
    path("schedules/preview", schedules.PreviewNewView.as_view(), name="preview-new-schedule"),
    path(SCHEDULE, schedules.ScheduleView.as_view(), name="schedule"),
    path(f"{SCHEDULE}/enable", schedules.EnableView.as_view(), name="enable-schedule"),
    path(f"{SCHEDULE}/disable", schedules.DisableView.as_view(), name="disable-schedule"),
    path(f"{SCHEDULE}/preview", schedules.PreviewView.as_view(), name="preview-schedule"),
    path(f"{SCHEDULE}/backfill", schedules.BackfillView.as_view(), name="backfill-schedule"),
    path(f"{SCHEDULE}/runs", schedules.ScheduleRunsView.as_view(), name="schedule-runs"),
    path("schedule-alerts", schedules.AlertsView.as_view(), name="schedule-alerts"),
    path("schedule-alerts/<uuid:alert_id>/close", schedules.CloseAlertView.as_view(), name="close-schedule-alert"),
    path("schedule-calendars", calendars.CalendarsView.as_view(), name="schedule-calendars"),
    path("schedule-calendars/<uuid:calendar_id>", calendars.CalendarView.as_view(), name="schedule-calendar"),
    path("events", events.EventsView.as_view(), name="events"),
    path("events/<uuid:event_id>", events.EventView.as_view(), name="event"),
    path("webhooks", webhooks.WebhooksView.as_view(), name="webhooks"),
    path("webhooks/listen", webhooks.ListenView.as_view(), name="listen-webhook"),
    path(WEBHOOK, webhooks.WebhookView.as_view(), name="webhook"),
    path(f"{WEBHOOK}/listen", webhooks.StopListeningView.as_view(), name="stop-listening-webhook"),
    path(f"{WEBHOOK}/change-address", webhooks.ChangeAddressView.as_view(), name="change-webhook-address"),
    path("webhook-calls", webhooks.CallsView.as_view(), name="webhook-calls"),
    path(CALL, webhooks.CallView.as_view(), name="webhook-call"),
    path(f"{CALL}/replay", webhooks.ReplayView.as_view(), name="replay-webhook-call"),
]
