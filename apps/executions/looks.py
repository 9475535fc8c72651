"""How each status of executions and node runs looks; the word and the icon say what the colour says."""

from apps.workflows.picture import Look

LOOKS: dict[str, Look] = {
    "pending": Look("pending", "pending", "calm"),
    "queued": Look("queued", "list_alt", "wait"),
    "running": Look("running", "play_circle", "move"),
    "waiting": Look("waiting", "hourglass_empty", "wait"),
    "retrying": Look("retrying", "replay", "wait"),
    "uncertain": Look("uncertain", "help", "ask"),
    "success": Look("success", "check_circle", "good"),
    "failed": Look("failed", "error", "bad"),
    "skipped": Look("skipped", "skip_next", "calm"),
    "cancelled": Look("cancelled", "block", "calm"),
    "paused": Look("paused", "pause_circle", "ask"),
    "cancelling": Look("cancelling", "cancel", "wait"),
}
