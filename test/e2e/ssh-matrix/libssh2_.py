"""The scenario of ssh-matrix.test.ts, by libssh2 (ssh2-python)."""
import hashlib, os, socket
from ssh2.exceptions import SFTPProtocolError
from ssh2.session import Session
from ssh2.sftp import LIBSSH2_FXF_READ

def command(session, line):
    channel = session.open_session()
    channel.execute(line)
    out = b''
    while True:
        size, data = channel.read()
        if size <= 0: break
        out += data
    channel.close()
    channel.wait_closed()
    return f'{out.decode().strip()} {channel.get_exit_status()}'.strip()

def read(sftp, path):
    with sftp.open(path, LIBSSH2_FXF_READ, 0) as file:
        return b''.join(data for _, data in file)

sock = socket.create_connection(('127.0.0.1', int(os.environ['PORT'])))
session = Session()
session.handshake(sock)
session.userauth_password(os.environ['GRANT'], os.environ['PASSWORD'])
print('command', command(session, 'echo hello; exit 4'))
print('refused', command(session, 'id'))
sftp = session.sftp_init()
data = read(sftp, os.environ['FILE'])
# The same by scp in its legacy mode.
channel, about = session.scp_recv2(os.environ['FILE'])
copied = b''
while len(copied) < about.st_size:
    size, part = channel.read(about.st_size - len(copied))
    copied += part
assert copied == data
print('read', len(data), hashlib.sha256(data).hexdigest()[:16])
try:
    read(sftp, '/etc/passwd')
except SFTPProtocolError:
    print('denied', sftp.last_error())
