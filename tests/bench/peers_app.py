"""peers_app - the service that many would write: FastAPI on uvicorn, asyncpg, PostgreSQL.

POST /bytea keeps the body in its row.  POST /file writes it into a file, syncs that, renames it, syncs the directory,
and then makes the row.  Both hash it and answer after the row was committed, so what they answer 201 is on the disk.
PEER_DATABASE is the directory of the database's socket, PEER_FILES that of the files.
"""
import asyncio
import hashlib
import os
import uuid
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, Request, Response

FILES = os.environ["PEER_FILES"]
CONNECTIONS = 32
INSERT = "INSERT INTO image (id, digest, type, bytes, place, body) VALUES ($1, $2, $3, $4, $5, $6)"


@asynccontextmanager
async def life(app):
    app.state.pool = await asyncpg.create_pool(host=os.environ["PEER_DATABASE"], user="peer", database="postgres",
                                               min_size=CONNECTIONS, max_size=CONNECTIONS)
    yield
    await app.state.pool.close()


app = FastAPI(lifespan=life)


def keep(name, body):
    """Durable once it returns: the file's bytes, then its name."""
    directory = os.path.join(FILES, name[:2])
    hidden, final = os.path.join(directory, f".{name}"), os.path.join(directory, name)
    with open(hidden, "wb", buffering=0) as file:
        file.write(body)
        os.fsync(file.fileno())
    os.rename(hidden, final)
    at = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(at)
    finally:
        os.close(at)
    return final


async def add_row(request, name, body, place, kept):
    await request.app.state.pool.execute(INSERT, uuid.UUID(name), hashlib.sha256(body).digest(),
                                         request.headers.get("content-type", ""), len(body), place, kept)
    return Response(status_code=201, headers={"location": f"/{name}"})


@app.post("/bytea")
async def post_bytea(request: Request):
    body = await request.body()
    return await add_row(request, uuid.uuid4().hex, body, None, body)


@app.post("/file")
async def post_file(request: Request):
    body, name = await request.body(), uuid.uuid4().hex
    place = await asyncio.to_thread(keep, name, body)
    return await add_row(request, name, body, place, None)
