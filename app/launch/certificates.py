"""`jiuyi tls init`: a certificate authority of the hospital's own, and a server certificate signed by it."""

import ipaddress
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from app.kernel import clock
from app.kernel.settings import Settings
from app.launch.refusals import CannotStart
from app.launch.secrets_kept import keep

CA, CA_KEY, SERVER = "ca.pem", "ca.key", "server.pem"
SERVER_DAYS = 397  # what browsers accept at most
CA_DAYS = 3650
EARLIER = timedelta(hours=1)  # for terminals whose clock is slow
SOON = timedelta(days=30)
NAME = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")


class Authority(msgspec.Struct, frozen=True):
    """Who signs."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def folder_of(data: Path) -> Path:
    return data / "tls"


def with_tls(config: Settings, *, tls_1_2: bool) -> Settings:
    """The settings with a certificate: the one they name, or ours. CannotStart where there is none."""
    profile = config.tls_1_2 or tls_1_2
    if config.tls_certificate:
        return msgspec.structs.replace(config, tls_1_2=profile)
    server = folder_of(config.data) / SERVER
    if not server.exists():
        raise CannotStart(
            f"没有找到 TLS 证书 {server}。请先运行 jiuyi tls init --host 本服务器的域名或地址,"
            "或设置 JIUYI_TLS_CERTIFICATE 和 JIUYI_TLS_KEY。"
        )
    return msgspec.structs.replace(config, tls_certificate=str(server), tls_key=str(server), tls_1_2=profile)


def init(data: Path, hosts: tuple[str, ...], *, renew: bool) -> str:
    """Make what is missing and say what is there. Nothing is replaced without `renew`.

    The authority's key can sign for the given names and addresses only: a terminal that trusts it is not
    at the mercy of whoever steals it.
    """
    names = [name_of(host) for host in hosts]
    folder = folder_of(data)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        authority = known_authority(folder) or new_authority(folder, names)
        if (folder / SERVER).exists() and not renew:
            return unchanged(folder, names)
        refuse_uncovered(authority, names)
        write_server(folder, authority, names)
    except OSError as error:
        raise CannotStart(f"不能写入 {folder}({error.strerror})。请用数据目录的属主运行。") from error
    return (
        f"已生成 {folder / SERVER}(有效期 {SERVER_DAYS} 天)。"
        f"请把 {folder / CA} 安装到每台终端的受信任根证书中,再用 jiuyi serve --tls 启动。"
    )


def name_of(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not NAME.match(host.lower()):
        raise CannotStart(f"“{host}”不是域名或 IP 地址。")
    return x509.DNSName(host.lower())


def known_authority(folder: Path) -> Authority | None:
    if not (folder / CA).exists():
        return None
    try:
        certificate = x509.load_pem_x509_certificate((folder / CA).read_bytes())
        key = load_pem_private_key((folder / CA_KEY).read_bytes(), None)
    except (ValueError, FileNotFoundError) as error:
        raise CannotStart(f"{folder} 中的 {CA} 和 {CA_KEY} 不完整或已损坏,请从备份恢复。") from error
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Authority(certificate, key)


def new_authority(folder: Path, names: list[x509.GeneralName]) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Jiuyi local CA")])
    limits = x509.NameConstraints([_subtree(name) for name in names], None)
    certificate = (
        _builder(own, own, key, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(limits, critical=True)
        .sign(key, hashes.SHA256())
    )
    keep(folder / CA_KEY, _pem(key))
    keep(folder / CA, certificate.public_bytes(Encoding.PEM).decode())
    return Authority(certificate, key)


def write_server(folder: Path, authority: Authority, names: list[x509.GeneralName]) -> None:
    """Key and chain in one file, so that a starting server never reads halves of two."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(names[0].value)[:64])])
    issuer = authority.key.public_key()
    certificate = (
        _builder(subject, authority.certificate.subject, key, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    chain = [certificate, authority.certificate]
    keep(folder / SERVER, _pem(key) + "".join(each.public_bytes(Encoding.PEM).decode() for each in chain))


def unchanged(folder: Path, names: list[x509.GeneralName]) -> str:
    """What stands there, when it is good for these names for a while yet; else how to replace it."""
    certificate = x509.load_pem_x509_certificate((folder / SERVER).read_bytes())
    known = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    until = certificate.not_valid_after_utc
    if not set(names) <= set(known):
        raise CannotStart(f"已有证书 {folder / SERVER} 不包含这些名称。确认要替换时请加上 --renew。")
    if until - clock.wall() < SOON:
        raise CannotStart(f"已有证书 {folder / SERVER} 将于 {until:%Y-%m-%d} 到期。请加上 --renew 更换。")
    return f"证书 {folder / SERVER} 已存在,有效期到 {until:%Y-%m-%d},没有改动。"


def refuse_uncovered(authority: Authority, names: list[x509.GeneralName]) -> None:
    limits = authority.certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    covered = limits.permitted_subtrees or []
    for name in names:
        if not any(_covers(subtree, name) for subtree in covered):
            raise CannotStart(
                f"本院的证书颁发者不能为 {name.value} 签发。要使用新的名称,请移走 {CA}、{CA_KEY} 和 {SERVER},"
                "重新运行 jiuyi tls init,并在终端上重新安装根证书。"
            )


def _subtree(name: x509.GeneralName) -> x509.GeneralName:
    if isinstance(name, x509.IPAddress):
        return x509.IPAddress(ipaddress.ip_network(str(name.value)))
    return name


def _covers(subtree: x509.GeneralName, name: x509.GeneralName) -> bool:
    if isinstance(name, x509.DNSName) and isinstance(subtree, x509.DNSName):
        return name.value == subtree.value or name.value.endswith(f".{subtree.value}")
    return subtree == _subtree(name)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    start = clock.wall().astimezone(UTC) - EARLIER
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(_end(start, days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _end(start: datetime, days: int) -> datetime:
    """The last second counts, too: 397 days and not one second more."""
    return start + timedelta(days=days, seconds=-1)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
