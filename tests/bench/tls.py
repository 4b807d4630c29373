"""tls - what encryption on the wire costs: handshakes, bulk bytes, and the server's TLS alone on one core."""
import re
import subprocess

from measure import BINARY, BMP_HEAD, SIZES, Table, fast, serve, times

BUILD = BINARY.parent
CLIENTS = 8


def alone(bench):
    """tls.c, linked to the archives of the build that is measured: no sockets, one core."""
    where = dict(re.findall(r'set\((\w+)_DIR "(.*)"\)', (BUILD / "generated/components.cmake").read_text()))
    archives = [BUILD / f"libdarkroom_{name}.a" for name in ("gate", "base", "metrics", "base")]
    archives += [f"{where['MBEDTLS']}/lib/libmbed{name}.a" for name in ("tls", "x509", "crypto")]
    archives += [BUILD / "libdarkroom_gcm_alt.a", f"{where['OPENSSL']}/lib/libcrypto.a", "-lpthread", "-ldl"]
    program = bench.compile("tls", *archives, flags=["-Iinclude", "-Isrc", "-isystem", f"{where['MBEDTLS']}/include"])
    done = subprocess.run([program, bench.tls / "server.pem", bench.tls / "server.key", str(bench.seconds)], check=True,
                          capture_output=True, text=True)
    return dict(word.split("=") for word in done.stdout.split())


def tls(bench):
    """Part tls."""
    server = serve(bench.work, "tls", "--workers", "0")
    table = Table("through the whole server", "clients", "Darkroom, 1/s", "p50 / p99 ms", "a core's", "nginx, 1/s", "p50 / p99 ms", "a core's")
    cores = {}
    for groups in ("P-256", "X25519"):
        cells = bench.in_turn({one.name: (lambda samples, one=one: bench.add(samples, one, "shake", CLIENTS, "/healthz", groups=groups))
                               for one in (bench.sink, server)})
        ours, ceiling = cells["Darkroom"], cells["nginx"]
        cores[groups] = 1000 / ours.cpu_ms
        table.add(f"full handshake (ECDSA P-256, {groups}) and one request", CLIENTS, fast(ours.rate), times(ours), f"{1000 / ours.cpu_ms:,.0f}",
                  fast(ceiling.rate), times(ceiling), f"{1000 / ceiling.cpu_ms:,.0f}")
    size = SIZES["2 MB"]
    targets = bench.work / "targets"
    sent = bench.measure(server, "put", CLIENTS, server.target, bench.body(size), BMP_HEAD)
    listed = server.admin.get("/v1/images", params={"limit": 20}).json()["images"]
    targets.write_text("\n".join(f"/v1/images/{i['id']}/original" for i in listed))
    for what, cell in (("upload", sent), ("read", bench.measure(server, "get", CLIENTS, targets))):
        table.add(f"{what} of 2 MB, GB/s", CLIENTS, f"{cell.rate * size / 1e9:.2f}", times(cell), f"{size / cell.cpu_ms / 1e6:.2f}", "–", "–", "–")
    server.stop()
    core = alone(bench)
    lines = ["", f"The server's TLS alone, one core, no sockets ({core['suite']}): {float(core['decrypt_gb']):.2f} GB/s decrypted, "
             f"{float(core['encrypt_gb']):.2f} GB/s encrypted, {float(core['handshakes']):,.0f} full P-256 handshakes a second."]
    print("\n".join(lines), flush=True)
    facts = {key: float(core[key]) for key in ("handshakes", "decrypt_gb", "encrypt_gb")} | {"served_handshakes": cores["P-256"]}
    return table.lines + lines, facts
