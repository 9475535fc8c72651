from pathlib import Path

import django.contrib.postgres.fields
from django.db import migrations, models

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    initial = True

    # The role that requests take is to read the table, so it must be there before.
    dependencies = [('accounts', '0006_fence_of_keys')]

    operations = [
        migrations.CreateModel(
            name='Worker',
            fields=[
                ('name', models.CharField(help_text='host/namespace:pid:start', max_length=128, primary_key=True, serialize=False)),
                ('queues', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=80), help_text='Celery queues that it takes messages from: gpu.high, gpu.', size=None)),
                ('pool', models.CharField(max_length=32)),
                ('concurrency', models.IntegerField(help_text='Node runs at a time.')),
                ('started_at', models.DateTimeField()),
                ('seen_at', models.DateTimeField(help_text='When it last said that it lives.')),
            ],
            options={
                'db_table': 'worker',
            },
        ),
        migrations.RunSQL((SQL / "served_v1.sql").read_text(encoding="utf-8"), migrations.RunSQL.noop),
    ]
