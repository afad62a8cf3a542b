from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("conversations", "0001_initial")]

    operations = [
        migrations.AlterModelOptions(
            name="conversation",
            options={
                "permissions": [("view_content", "Can see what people wrote: titles, messages, tags, metadata")]
            },
        ),
    ]
