"""Which passwords are good enough: long and not common. No composition rules (NIST SP 800-63B, 3.1.1.2)."""

LENGTH_MIN, LENGTH_MAX = 12, 128  # characters; ASVS 5.0, 6.2.1 and 6.2.9

# The most common passwords that are long enough to pass, and what everybody here would think of first.
COMMON = frozenset(
    {
        "000000000000",
        "1234567890123",
        "123456789012",
        "1234567890abc",
        "12345678901234567890",
        "123456789abc",
        "1q2w3e4r5t6y",
        "1qaz2wsx3edc",
        "1qaz2wsx3edc4rfv",
        "aa123456789.",
        "abc123456789",
        "abcd12345678",
        "abcdefghijkl",
        "admin1234567",
        "administrator",
        "changemechangeme",
        "doctor123456",
        "hospital1234",
        "hospital12345",
        "hospital123456",
        "iloveyou1234",
        "iloveyouiloveyou",
        "jiuyi1234567",
        "jiuyi12345678",
        "jiuyijiuyijiuyi",
        "letmeinletmein",
        "p@ssw0rd1234",
        "password1234",
        "password12345",
        "password123456",
        "passwordpassword",
        "q1w2e3r4t5y6",
        "qazwsxedcrfv",
        "qwer12345678",
        "qwerty123456",
        "qwerty1234567890",
        "qwertyuiop12",
        "qwertyuiop123",
        "qwertyuiopasdf",
        "welcome12345",
        "woaini123456",
        "woaini1314520",
        "woaini520131",
        "yiyuan123456",
        "zxcvbnm12345",
        "zxcvbnmasdfghjkl",
    }
)


def is_too_short_or_long(password: str) -> bool:
    return not LENGTH_MIN <= len(password) <= LENGTH_MAX


def is_common(password: str, *, login_name: str) -> bool:
    """On the list, made of one or two characters alone, or built around the login name."""
    plain = password.casefold()
    return plain in COMMON or len(set(plain)) <= 2 or login_name.casefold() in plain
