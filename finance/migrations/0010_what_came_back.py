from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("finance", "0009_words_people_know"),
    ]

    operations = [
        migrations.AddField(
            model_name="refunditem",
            name="came_back_minor",
            field=models.BigIntegerField(default=0),
        ),
    ]
