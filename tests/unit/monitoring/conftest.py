"""Who answers on loopback."""

import http.server
import threading

import pytest


@pytest.fixture
def plain():
    """A function that answers on a port of loopback, by path; anything else is an error."""
    running = []

    def start(answers):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.server.asked.append(self.path)
                answer = answers.get(self.path.partition("?")[0])
                self.send_response(500 if answer is None else 200)
                self.end_headers()
                self.wfile.write(answer or b"")

            def log_message(self, *_):
                pass

        listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        listening.asked = []
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        running.append(listening)
        return listening

    yield start
    for listening in running:
        listening.shutdown()
        listening.server_close()
