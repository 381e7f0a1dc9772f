"""Who answers on loopback."""

import http.server
import threading

import pytest


@pytest.fixture
def listen():
    """A function that answers on a port of loopback, with TLS if a context for it is given.

    answer: returns status and content for a path.
    """
    running = []

    def start(answer, context=None):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.server.asked.append(self.path)
                status, content = answer(self.path)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        listening.asked = []
        if context:
            listening.socket = context.wrap_socket(listening.socket, server_side=True)
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        running.append(listening)
        return listening

    yield start
    for listening in running:
        listening.shutdown()
        listening.server_close()


@pytest.fixture
def plain(listen):
    """A function that answers by path, without a query; anything else is an error."""

    def start(answers):
        def answer(path):
            known = answers.get(path.partition("?")[0])
            return (500, b"") if known is None else (200, known)

        return listen(answer)

    return start
