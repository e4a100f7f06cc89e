"""Makes the REST requests of a call with the client that openapi-python-client generates. Arguments: folder of it, URL, API key."""

import sys

folder, url, key = sys.argv[1:]
sys.path.insert(0, folder)

from generated import AuthenticatedClient
from generated.api.default import create_room, delete_room, get_room, issue_token, list_participants, list_rooms
from generated.models import CreateRoom, Grant, IssueToken, RestError

client = AuthenticatedClient(base_url=url, token=key)
room = create_room.sync(client=client, body=CreateRoom(name="stand-up"))
assert room.name == "stand-up", room
assert get_room.sync("stand-up", client=client).participants == 0
assert [each.id for each in list_rooms.sync(client=client).rooms] == [room.id]
assert issue_token.sync("stand-up", client=client, body=IssueToken(name="Ada", grants=[Grant.PUBLISH])).token
assert list_participants.sync("stand-up", client=client).participants == []
delete_room.sync("stand-up", client=client)
refused = get_room.sync("stand-up", client=client)
assert isinstance(refused, RestError) and refused.error.code == "ROOM_NOT_FOUND", refused
print("all requests made")
