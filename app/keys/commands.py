"""`jiuyi keys`: what the command line does with the keys of this hospital."""

import sys
from datetime import datetime

import click

from app.launch import environment
from app.launch.acting import in_database


@click.group()
def keys() -> None:
    """The keys of this hospital, in the folder keys of its data."""


@keys.command("rotate-tokens")
def rotate_tokens() -> None:
    """Publish a new key for tokens; it begins to sign in ten minutes, and the old one then runs out."""
    environment.join_running_hospital()
    from app.identity import token_keys
    from app.kernel.crypto import keys_folder

    added = token_keys.rotate_token_keys(keys_folder())
    begins = datetime.fromtimestamp(added.sign_from).astimezone()
    click.echo(
        f"新的令牌密钥 {added.jwk['kid']} 已公布，{begins:%H:%M:%S} 起用于签名，旧密钥到期后自动停用。"
    )


@keys.command("rotate")
@click.option("--suite", type=click.Choice(["aes-gcm", "sm4-gcm"]), help="of the new keys; else JIUYI_SUITE")
@click.option("--settle", type=click.FloatRange(min=0), hidden=True, help="for tests: seconds for each step")
def rotate_keys(suite: str | None, settle: float | None) -> None:
    """New keys for encrypted fields, while the hospital works; run it again if it was interrupted."""
    environment.join_running_hospital()
    from app.kernel.crypto import Suite, keys_folder, wanted_suite
    from app.keys import rotating as room

    wanted = Suite(suite) if suite else wanted_suite()
    seconds = room.SETTLE_SECONDS if settle is None else settle
    done = in_database(
        lambda: room.rotate(keys_folder(), suite=wanted, settle_seconds=seconds, say=click.echo)
    )
    click.echo(f"密钥更换完成：{done.resealed} 行已用密钥 {done.field} 重新加密。旧密钥保留，请立即备份。")
    for place in done.unreadable:
        click.echo(f"无法解密，保持原样：{place}", err=True)
    sys.exit(1 if done.unreadable else 0)


@keys.command("show")
def show_keys() -> None:
    """Which keys there are, how old, and how many values stand under each; never a key itself."""
    environment.join_running_hospital()
    from app.kernel.crypto import keys_folder
    from app.keys import rotating as room

    for key in in_database(lambda: room.show(keys_folder())):
        made = f"{key.made_at.astimezone():%Y-%m-%d %H:%M}" if key.made_at else "-"
        state = "当前" if key.current else ""
        click.echo(f"{key.kind}\t{key.id}\t{key.suite}\t{made}\t{key.values}\t{state}".rstrip())


@keys.command("retire")
def retire_keys() -> None:
    """Drop old index keys that find nothing any more. Old field keys stay: history was sealed with them."""
    environment.join_running_hospital()
    from app.kernel.crypto import keys_folder
    from app.keys import rotating as room

    retired = in_database(lambda: room.retire(keys_folder()))
    click.echo(f"已停用索引密钥 {'、'.join(retired)}。" if retired else "没有可以停用的索引密钥。")
