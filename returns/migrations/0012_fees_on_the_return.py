from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("returns", "0011_words_people_know"),
    ]

    operations = [
        migrations.AddField(
            model_name="return",
            name="fees",
            field=models.JSONField(default=dict),
        ),
    ]
