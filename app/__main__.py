"""`python -m app`."""

from app.cli.main import start

if __name__ == "__main__":
    start()
