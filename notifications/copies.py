"""Messages as the patient's own copy shows them: those of the inbox that asks."""

from app.patients.copying import Section

SECTIONS = [
    Section(
        name="messages",
        title="手机消息",
        tables=("message",),
        sql="SELECT id, title, at, read_at FROM message WHERE person_id = ANY($1)"
        " AND account_id = (SELECT jiuyi.actor_related('account'))",
        fields={"id": "编号", "title": "标题", "at": "时间", "read_at": "阅读时间"},
    ),
]
