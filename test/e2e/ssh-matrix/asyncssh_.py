"""The scenario of ssh-matrix.test.ts, by asyncssh."""
import asyncio, asyncssh, hashlib, os

async def main():
    async with asyncssh.connect('127.0.0.1', int(os.environ['PORT']), username=os.environ['GRANT'], password=os.environ['PASSWORD'],
                                known_hosts=os.environ['KNOWN_HOSTS'], config=[], agent_path=None, client_keys=None) as c:
        for name, line in ('command', 'echo hello; exit 4'), ('refused', 'id'):
            ran = await c.run(line)
            print(name, f'{ran.stdout.strip()} {ran.exit_status}'.strip())
        async with c.start_sftp_client() as sftp:
            async with sftp.open(os.environ['FILE'], 'rb') as file:
                data = await file.read()
            print('read', len(data), hashlib.sha256(data).hexdigest()[:16])
            try:
                await sftp.open('/etc/passwd', 'rb')
            except asyncssh.SFTPPermissionDenied as refused:
                print('denied', refused.code)

asyncio.run(main())
