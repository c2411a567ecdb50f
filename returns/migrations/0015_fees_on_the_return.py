from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("returns", "0014_paid_and_ended"),
    ]

    operations = [
        migrations.AddField(
            model_name="return",
            name="fees",
            field=models.JSONField(default=dict),
        ),
    ]
