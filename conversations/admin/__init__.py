"""The admin of conversations: whose they are, how many, from when to when. What is said: for few.

The one part of the product that asks for rows without knowing whose they are: to find a conversation by its id.
"""

from django.contrib import admin

from accounts.models import User
from conversations.admin.conversations import ConversationAdmin
from conversations.admin.jobs import ExportJobAdmin, ImportJobAdmin
from conversations.admin.people import PersonAdmin
from conversations.models import Conversation, ExportJob, ImportJob

admin.site.register(Conversation, ConversationAdmin)
admin.site.register(ImportJob, ImportJobAdmin)
admin.site.register(ExportJob, ExportJobAdmin)
admin.site.unregister(User)
admin.site.register(User, PersonAdmin)
