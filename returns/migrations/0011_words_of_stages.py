"""The words of stages and verdicts, in plain English: one list for every screen."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("returns", "0010_units_of_no_article"),
    ]

    operations = [
        migrations.AlterField(
            model_name="inspection",
            name="disposition",
            field=models.CharField(
                choices=[
                    ("RESTOCK", "May be sold again"),
                    ("QUARANTINE", "Not for sale"),
                    ("NOT_RETURNED", "Not in the parcel"),
                    ("SENT_BACK", "Back to the customer"),
                    ("WRITTEN_OFF", "Written off"),
                ],
                max_length=12,
            ),
        ),
        migrations.AlterField(
            model_name="return",
            name="status",
            field=models.CharField(
                choices=[
                    ("REQUESTED", "Asked for"),
                    ("AUTHORISED", "Agreed"),
                    ("IN_TRANSIT", "On its way"),
                    ("RECEIVED", "Received"),
                    ("INSPECTED", "Checked"),
                    ("COMPLETED", "Completed"),
                    ("CLOSED", "Closed without return"),
                ],
                default="REQUESTED",
                max_length=12,
            ),
        ),
        migrations.AlterField(
            model_name="returnitem",
            name="custody",
            field=models.CharField(
                choices=[
                    ("REQUESTED", "Asked for"),
                    ("AUTHORISED", "Agreed"),
                    ("IN_TRANSIT", "On its way"),
                    ("RECEIVED", "Received"),
                    ("INSPECTED", "Checked"),
                    ("CLOSED", "Closed"),
                ],
                default="REQUESTED",
                max_length=12,
            ),
        ),
    ]
