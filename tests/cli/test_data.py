"""`data` against a server on this machine that can break off, lie and resume."""

import http.server
import json
import threading

import pytest


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`; `limit` bytes at most of each answer, `ranges` as servers with resumption do."""

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.limit, self.ranges, self.requests = files, None, True, []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        content = self.server.files.get(self.path.lstrip("/"))
        if content is None:
            self.send_error(404)
            return
        start = 0
        asked = self.headers.get("Range")
        self.server.requests.append(asked)
        if asked and self.server.ranges:
            start = int(asked.removeprefix("bytes=").split("-")[0])
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][:self.server.limit])

    def log_message(self, *_):
        pass


@pytest.fixture
def dataset(run):
    """The first data set whose files have no known SHA-256 or size: any bytes will do."""
    rows = json.loads(run("data", "list", "--json").stdout)
    free = [row for row in rows if row["sha256"] is None and row["bytes"] is None]
    if not free:
        pytest.skip("every data set has a known size or SHA-256")
    return free[0]["set"], [row["path"] for row in rows if row["set"] == free[0]["set"]]


@pytest.fixture
def server(dataset):
    files = {path: bytes([i]) * 5000 + path.encode() for i, path in enumerate(dataset[1])}
    with Server(files) as it:
        thread = threading.Thread(target=it.serve_forever, args=(0.01,))
        thread.start()
        yield it
        it.shutdown()
        thread.join()


def test_data_come_from_a_mirror_and_are_checked_afterwards(run, dataset, server, tmp_path):
    name, paths = dataset
    run("data", "get", name, "--mirror", server.url, "--data", "data")
    for path in paths:
        assert (tmp_path / "data" / path).read_bytes() == server.files[path]
    count = len(server.requests)
    run("data", "get", name, "--mirror", server.url, "--data", "data")
    assert len(server.requests) == count
    run("data", "check", name, "--data", "data")
    damaged = tmp_path / "data" / paths[0]
    damaged.write_bytes(b"x" + damaged.read_bytes()[1:])
    assert "SHA-256" in run("data", "check", name, "--data", "data", code=3).stderr
    assert "here" in run("data", "list", "--data", "data").stdout


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_goes_on_where_it_was(run, dataset, server, tmp_path, ranges):
    name, paths = dataset
    server.limit, server.ranges = 1000, ranges
    error = run("data", "get", name, "--mirror", server.url, "--data", "data", code=5).stderr
    assert "1000 bytes are here" in error and not (tmp_path / "data" / paths[0]).exists()
    assert "partly here" in run("data", "list", "--data", "data").stdout
    server.limit = None
    run("data", "get", name, "--mirror", server.url, "--data", "data")
    assert "bytes=1000-" in server.requests
    assert (tmp_path / "data" / paths[0]).read_bytes() == server.files[paths[0]]


@pytest.fixture
def known(run):
    """Of the sets whose first file has a known size and SHA-256, the one with the smallest."""
    rows = json.loads(run("data", "list", "--json").stdout)
    first = {}
    for row in rows:
        first.setdefault(row["set"], row)
    return min((row for row in first.values() if row["sha256"] and row["bytes"]),
               key=lambda row: row["bytes"])


@pytest.fixture
def known_server(known):
    with Server({known["path"]: bytes(known["bytes"])}) as it:
        thread = threading.Thread(target=it.serve_forever, args=(0.01,))
        thread.start()
        yield it
        it.shutdown()
        thread.join()


def get_known(run, known, server, code):
    return run("data", "get", known["set"], "--mirror", server.url, "--data", "data", code=code).stderr


def test_a_file_with_another_checksum_is_refused_and_nothing_is_left(run, known, known_server, tmp_path):
    error = get_known(run, known, known_server, 3)
    assert "SHA-256" in error and known["path"] in error
    assert [p for p in (tmp_path / "data").rglob("*") if p.is_file()] == []


def test_an_archive_that_the_server_has_cut_is_refused(run, known, known_server, tmp_path):
    content = known_server.files[known["path"]]
    known_server.files[known["path"]] = content[:1000]
    error = get_known(run, known, known_server, 3)
    assert "1000" in error and str(known["bytes"]) in error.replace(",", "")
    assert not (tmp_path / "data" / known["path"]).exists()
    # The next try finds another server: it does not build upon the cut file.
    known_server.files[known["path"]] = content
    assert "SHA-256" in get_known(run, known, known_server, 3)


def test_a_connection_that_breaks_again_and_again_still_ends(run, dataset, server, tmp_path):
    name, paths = dataset
    server.limit = 2000
    for _ in range(2):
        run("data", "get", name, "--mirror", server.url, "--data", "data", code=5)
    server.limit = None
    run("data", "get", name, "--mirror", server.url, "--data", "data")
    assert {"bytes=2000-", "bytes=4000-"} <= set(server.requests)
    assert (tmp_path / "data" / paths[0]).read_bytes() == server.files[paths[0]]


def test_the_reviews_are_a_set_of_both_sequence_systems(run):
    rows = json.loads(run("data", "list", "lmu/imdb", "unicornn/imdb", "--json").stdout)
    assert {row["set"] for row in rows} == {"lmu/imdb", "unicornn/imdb"}
    for row in rows:
        assert row["url"].endswith("/aclImdb_v1.tar.gz") and row["bytes"] == 84125825
        assert len(row["sha256"]) == 64 and row["licence"]


def test_what_the_server_lacks_is_an_input_error(run, dataset, server):
    server.files.clear()
    error = run("data", "get", dataset[0], "--mirror", server.url, "--data", "data", code=5).stderr
    assert "404" in error and "--mirror" in error


def test_a_folder_is_a_mirror_too(run, dataset, server, tmp_path):
    name, paths = dataset
    for path, content in server.files.items():
        (tmp_path / "my copy" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "my copy" / path).write_bytes(content)
    run("data", "get", name, "--mirror", "my copy", "--data", "data")
    assert (tmp_path / "data" / paths[0]).read_bytes() == server.files[paths[0]]


def test_an_unknown_set_is_refused(run):
    assert "unknown data set" in run("data", "get", "egnn/qm8", code=2).stderr
    assert "not there" in run("data", "check", "egnn", "--data", "data", code=5).stderr
