"""Tiny children for the supervisor's tests: a web server that answers /readyz, and a sleeper."""

import http.server
import json
import os
import signal
import sys
import time
from pathlib import Path


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"status": "ready", "instance": os.environ["JIUYI_INSTANCE"]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_args: object) -> None:
        pass


def serve() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["JIUYI_PORT"])), Answer)
    server.serve_forever()


def main() -> None:
    what = sys.argv[1]
    told = Path(os.environ["JIUYI_DATA"]) / "told"
    told.mkdir(exist_ok=True)
    (told / f"{what}.json").write_text(
        json.dumps({name: value for name, value in os.environ.items() if "JIUYI" in name or "_URL" in name})
    )
    if what == "serve":
        serve()
    elif what == "fail":
        sys.exit("这一步失败了")
    elif what == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    elif what != "done":
        time.sleep(600)


if __name__ == "__main__":
    main()
