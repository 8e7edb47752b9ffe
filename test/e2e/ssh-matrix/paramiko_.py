"""The scenario of ssh-matrix.test.ts, by paramiko."""
import hashlib, os, paramiko

client = paramiko.SSHClient()
client.load_host_keys(os.environ['KNOWN_HOSTS'])
client.connect('127.0.0.1', int(os.environ['PORT']), os.environ['GRANT'], os.environ['PASSWORD'], allow_agent=False, look_for_keys=False)
for name, line in ('command', 'echo hello; exit 4'), ('refused', 'id'):
    _, out, _ = client.exec_command(line)
    print(name, f'{out.read().decode().strip()} {out.channel.recv_exit_status()}'.strip())
sftp = client.open_sftp()
data = sftp.open(os.environ['FILE'], 'rb').read()
print('read', len(data), hashlib.sha256(data).hexdigest()[:16])
try:
    sftp.open('/etc/passwd', 'rb')
except PermissionError:
    print('denied 3')
client.close()
