"""The API of jobs over the ASINs of a file."""

from __future__ import annotations

from typing import Any, Final

from flask import url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal
from app.core.uploads import Upload
from app.operations.api.files import form, read_fields, receiving
from app.rpa.models.jobs import Action, Priority
from app.rpa.schemas.job_changes import FileJobFields
from app.rpa.schemas.jobs import JobSchema
from app.rpa.services.asin_files import submit_file

blp = ApiBlueprint("job_files", __name__, description="Jobs over the ASINs of a file")

_BODY: Final = form(
    "CSV, TSV, XLSX or JSON Lines with a column asin; the first line names the columns",
    required=("action", "storefront", "name"),
    action={"type": "string", "enum": [action.value for action in Action]},
    storefront={"type": "string", "description": "Its code"},
    name={"type": "string"},
    quantity={"type": "integer", "default": 1},
    options={"type": "string", "description": "JSON object: which variant goes into the cart, as POST /jobs takes it"},
    priority={"type": "string", "enum": [priority.value for priority in Priority], "default": "normal"},
    concurrency={"type": "integer", "description": "At most so many of its tasks at once"},
    deadline_s={"type": "integer", "description": "Seconds from now; what has not started by then is skipped"},
)


@blp.route("/jobs/upload")
class JobUpload(MethodView):
    """A job over a file."""

    is_streamed = True

    @blp.requires("jobs:write")
    @receiving
    @blp.doc(requestBody=_BODY)
    @blp.answers(202, JobSchema, location=lambda job: url_for("jobs.Job", job_id=job.id), etag=True)
    @blp.alt_response(413, description="The file is larger than UPLOAD_MAX_MB")
    @blp.alt_response(415, description="The body is no multipart/form-data")
    @blp.alt_response(503, description="There is no room for the file, or too many are being sent")
    def post(self, folder: str, upload: Upload) -> Any:
        """Submit a job over the column asin of a file. The file itself is not kept."""
        fields = read_fields(upload, FileJobFields())
        return submit_file(actor=current_principal(), folder=folder, filename=upload.filename[-200:], **fields)
