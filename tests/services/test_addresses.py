"""What may be typed for a file that is fetched, and by what name it goes."""

import pytest

from dispatch.services.addresses import PullError, address_of, header_of, named_by


@pytest.mark.parametrize(
    ("typed", "shown", "file_name"),
    [
        ("https://erp.example/stock.csv", "https://erp.example/stock.csv", "stock.csv"),
        ("HTTP://ERP.example:8080/a/b.csv.gz?token=s3cret#top", "http://erp.example:8080/a/b.csv.gz", "b.csv.gz"),
        ("https://erp.example/%E5%BA%93%E5%AD%98.csv", "https://erp.example/%E5%BA%93%E5%AD%98.csv", "库存.csv"),
        ("https://erp.example/a%2F..%2F.bashrc", "https://erp.example/a%2F..%2F.bashrc", "bashrc"),
        ("https://erp.example", "https://erp.example", ""),
        ("http://[::1]:80/x/", "http://[::1]:80/x/", ""),
    ],
)
def test_an_address_is_shown_without_its_query(typed: str, shown: str, file_name: str) -> None:
    address = address_of(typed)
    assert (address.shown, address.file_name) == (shown, file_name)
    assert "s3cret" not in repr(address)
    assert "#" not in address.url


def test_the_origin_is_scheme_host_and_port() -> None:
    assert address_of("https://Erp.example/a").origin == address_of("https://erp.EXAMPLE:443/b").origin
    others = ["http://erp.example/a", "https://erp.example:8443/a", "https://erp.example.evil/a"]
    assert len({address_of(url).origin for url in [*others, "https://erp.example/a"]}) == 4


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("ftp://erp.example/s3cret.csv", "https://"),
        ("file:///s3cret", "https://"),
        ("https:///s3cret", "host"),
        ("https://me:s3cret@erp.example/stock.csv", "--header-from"),
        ("https://s3cret@erp.example/stock.csv", "--header-from"),
        ("https://erp.example/s3cret stock.csv", "%20"),
        ("https://erp.example/\r\nX-s3cret: 1", "white space"),
        ("https://erp.example:s3cret/", "cannot be read"),
    ],
)
def test_another_address_is_refused_with_the_mend_and_not_repeated(typed: str, said: str) -> None:
    with pytest.raises(PullError, match=said) as refused:
        address_of(typed)
    assert "s3cret" not in str(refused.value)
    assert not refused.value.soon


@pytest.mark.parametrize(
    ("line", "header"),
    [
        ("Authorization: Bearer s3cret", ("Authorization", "Bearer s3cret")),
        ("X-Api-Key:s3cret", ("X-Api-Key", "s3cret")),
        (" Cookie: a=b; c=d ", ("Cookie", "a=b; c=d")),
        ("A: b: c", ("A", "b: c")),
    ],
)
def test_a_header_line_is_a_name_and_a_value(line: str, header: tuple[str, str]) -> None:
    assert header_of(line) == header


@pytest.mark.parametrize(
    "line",
    [
        "Bearer s3cret", "Authorization:", "Authorization: ", ": s3cret", "Authori zation: s3cret",
        "A: s3cret\r\nB: c", "A: s3cret\n", "A: s3\0cret", "A: s3crét", "Host: s3cret", "if-none-match: s3cret",
        "Transfer-Encoding: s3cret",
    ],
)  # fmt: skip
def test_what_is_no_header_line_is_refused_and_not_repeated(line: str) -> None:
    with pytest.raises(ValueError, match="header") as refused:
        header_of(line)
    assert "s3c" not in str(refused.value)


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (None, ""),
        ("attachment", ""),
        ('attachment; filename="stock 27.csv"', "stock 27.csv"),
        ("attachment; filename=stock.csv", "stock.csv"),
        ("attachment; filename*=UTF-8''%E5%BA%93%E5%AD%98.csv", "库存.csv"),
        ('attachment; filename="{}"'.format("库存.csv".encode().decode("latin-1")), "库存.csv"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        (r'attachment; filename="C:\\x\\stock.csv"', "stock.csv"),
        ('attachment; filename=".."', ""),
        ('attachment; filename=".bashrc"', "bashrc"),
    ],
)
def test_the_name_that_a_server_gives_is_a_plain_one(disposition: str | None, name: str) -> None:
    assert named_by(disposition) == name


def test_a_name_leaves_room_for_what_is_put_after_it() -> None:
    name = named_by('attachment; filename="{}.csv"'.format("x" * 500))
    assert name.endswith("x.csv")
    assert len(f"{name}.errors.csv.part".encode()) < 255
