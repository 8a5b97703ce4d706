# ADDRESS PORT VERSION: two visits, the second with the session of the first.
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
version = ssl.TLSVersion["TLSv" + sys.argv[3].replace(".", "_")]
context.minimum_version = context.maximum_version = version
session = None
for _ in range(2):
    with context.wrap_socket(socket.create_connection(sys.argv[1:3]), session=session) as tls:
        tls.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while page := tls.recv(4096):
            print(page.decode())
        session = tls.session
