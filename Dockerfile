# One image for every process; docker-compose.yml says which command each runs.
FROM python:3.11-slim-bookworm AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements.lock /tmp/requirements.lock
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --require-hashes --only-binary :all: --requirement /tmp/requirements.lock

FROM python:3.11-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=structforge.settings.prod \
    STRUCTFORGE_STATE_DIR=/var/lib/structforge
RUN useradd --uid 1000 --create-home structforge \
    && install --directory --owner structforge /var/lib/structforge
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY . .
# Collecting static files needs settings, and the settings need secrets; these are thrown away with this step.
RUN SECRET_KEY="$(python -c 'import secrets; print(secrets.token_hex(32))')" \
    JWT_SECRET="$(python -c 'import secrets; print(secrets.token_hex(32))')" \
    ALLOWED_HOSTS=localhost python manage.py collectstatic --no-input --verbosity 0
USER 1000:1000
VOLUME /var/lib/structforge
EXPOSE 8000
# Celery takes SIGTERM as "finish what you have"; what is not finished in time is handed back.
STOPSIGNAL SIGTERM
CMD ["uvicorn", "structforge.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--no-access-log", "--timeout-graceful-shutdown", "10"]
