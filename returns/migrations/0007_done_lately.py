from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("returns", "0006_failed_after_all"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="return",
            index=models.Index(fields=["connection", "completed_at"], name="return_completed"),
        ),
    ]
