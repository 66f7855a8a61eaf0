import os

from flask import Flask

app = Flask(__name__)


@app.get("/")
def index():
    return "hello from flask\n"


@app.get("/health")
def health():
    # What the app cannot do without: here, its own files.
    os.stat(__file__)
    return "ok\n"
