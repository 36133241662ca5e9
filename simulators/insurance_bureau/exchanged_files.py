"""9101 and 9102: files that are too big for a message, kept for a week under a query number."""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from datetime import datetime, timedelta
from sqlite3 import Row
from typing import Any

from simulators.insurance_bureau.calls import Call, Output, Transaction
from simulators.insurance_bureau.fields import Field, node, written
from simulators.insurance_bureau.platform import Bureau
from simulators.insurance_bureau.refusals import ill_formed, refused
from simulators.store import loaded, stored

LIFE = timedelta(days=7)
BYTES_MAX = 10_000_000

UPLOAD = (Field("filename", "文件名", 200), Field("fixmedins_code", "医药机构编号", 12))
DOWNLOAD = (Field("file_qury_no", "文件查询号", 30), *UPLOAD)


def upload(platform: Bureau, call: Call) -> Output:
    """9101: `in` is the file as base64, or as the list of byte values that Java clients send."""
    asked = node(call.input, "fsUploadIn", UPLOAD)
    number = keep(platform, asked["filename"], _bytes_of(call.input["fsUploadIn"].get("in")), call.now)
    return {**told_of(platform, number), "fixmedins_code": asked["fixmedins_code"]}


def download(platform: Bureau, call: Call) -> Output:
    """9102. The real one answers with the bare bytes; here they are base64 in the usual envelope."""
    asked = node(call.input, "fsDownloadIn", DOWNLOAD)
    row = find(platform, asked["file_qury_no"], call.now)
    if row["filename"] != asked["filename"]:
        raise refused("文件名与文件查询号不一致")
    return {**told_of(platform, row["file_qury_no"]), "out": b64encode(row["content"]).decode()}


def keep(platform: Bureau, filename: str, content: bytes, now: datetime) -> str:
    """Store a file; returns its query number."""
    number = platform.number("F", now)
    platform.store.run(
        "insert into file values (:number, :filename, :content, :expires_at)",
        number=number,
        filename=filename,
        content=content,
        expires_at=stored(now + LIFE),
    )
    return number


def find(platform: Bureau, file_qury_no: str, now: datetime) -> Row:
    row = platform.store.row("select * from file where file_qury_no = :number", number=file_qury_no)
    if row is None or loaded(row["expires_at"]) <= now:
        raise refused(f"文件查询号 {file_qury_no} 不存在或已过期")
    return row


def told_of(platform: Bureau, file_qury_no: str) -> dict[str, Any]:
    row = platform.store.row(
        "select filename, expires_at from file where file_qury_no = :number", number=file_qury_no
    )
    assert row is not None
    return {
        "file_qury_no": file_qury_no,
        "filename": row["filename"],
        "dld_endtime": written(row["expires_at"]),
    }


def _bytes_of(content: Any) -> bytes:
    try:
        if isinstance(content, str):
            found = b64decode(content, validate=True)
        else:
            found = bytes(value % 256 for value in content)
    except (NotBase64, TypeError, ValueError) as error:
        raise ill_formed("in", "须为 base64 或字节数组") from error
    if not 0 < len(found) <= BYTES_MAX:
        raise ill_formed("in", f"文件须为 1 至 {BYTES_MAX} 字节")
    return found


TRANSACTIONS = {
    "9101": Transaction("文件上传", upload),
    "9102": Transaction("文件下载", download),
}
