"""A unit that was received lies on no shelf, whether it was checked or not."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("fulfilment", "0010_discontinued_is_asked_of_the_shop"),
    ]

    operations = [
        migrations.AlterField(
            model_name="stockmovement",
            name="from_bucket",
            field=models.CharField(
                choices=[
                    ("OUTSIDE", "With the customer"),
                    ("IN_TRANSIT", "On its way back"),
                    ("RECEIVED", "Received, on no shelf"),
                    ("SELLABLE", "Sellable"),
                    ("QUARANTINE", "Quarantine"),
                    ("WRITTEN_OFF", "Written off"),
                ],
                max_length=12,
            ),
        ),
        migrations.AlterField(
            model_name="stockmovement",
            name="to_bucket",
            field=models.CharField(
                choices=[
                    ("OUTSIDE", "With the customer"),
                    ("IN_TRANSIT", "On its way back"),
                    ("RECEIVED", "Received, on no shelf"),
                    ("SELLABLE", "Sellable"),
                    ("QUARANTINE", "Quarantine"),
                    ("WRITTEN_OFF", "Written off"),
                ],
                max_length=12,
            ),
        ),
    ]
