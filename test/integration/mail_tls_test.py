#!/usr/bin/env python3
"""The mailer and what it trusts: TLS where the server is not on loopback, a login from a file, and
settings that are wrong, named.

The server's address is the IPv4 loopback written as an IPv6 address: to the mailer it is any other host.
"""
import os
import pathlib
import signal
import subprocess
import sys
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from caller import Caller
from instance import NOVA, Instance, case, free_ports, main, wait_for
from smtp import Mailbox

MAILER, PASSWORD = "mailer/identity", "correct horse battery"
PORT, = free_ports(1)
it = Instance()
ca, key = it.folder / "ca.pem", it.folder / "key.pem"
password = it.folder / "smtp-password"
it.settings = {"NOVA_IDENTITY_ARGON2_MEMORY_KIB": "8", "NOVA_IDENTITY_ARGON2_PASSES": "1",
               "NOVA_MAIL_SMTP_URL": f"smtp://[::ffff:127.0.0.1]:{PORT}",
               "NOVA_MAIL_FROM": "no-reply@nova.invalid", "NOVA_MAIL_RETRY_S": "1",
               "NOVA_MAIL_SMTP_CA_FILE": str(ca), "NOVA_MAIL_SMTP_USER": "nova",
               "NOVA_MAIL_SMTP_PASSWORD_FILE": str(password)}


def certificate(out, secret):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(secret), "-out", str(out),
                    "-days", "2", "-subj", "/CN=test", "-addext",
                    "subjectAltName=IP:::ffff:127.0.0.1,IP:127.0.0.1"],
                   check=True, capture_output=True)


def write_password(text, mode=0o600):
    password.write_text(text)
    password.chmod(mode)


def box_with(tls=True, login=("nova", "a secret of the test")):
    return Mailbox(PORT, tls=(str(ca), str(key)) if tls else None, login=login if tls else None)


def asked():
    """The address of a new user who asked for a token."""
    name = f"u{uuid.uuid4().hex[:12]}"
    with Caller(it) as caller:
        caller.call("identity", "Register", handle=name, email=f"{name}@example.invalid",
                    display_name=name, password=PASSWORD)
        caller.call("identity", "RequestPasswordReset", email=f"{name}@example.invalid")
    return f"{name}@example.invalid"


def started_again():
    state = it.state(MAILER)
    os.kill(state["pid"], signal.SIGKILL)
    it.ready_again(MAILER, state["starts"])


def lines_with(text):
    return sum(text in line for line in it.log(MAILER).splitlines())


def said_again(text):
    before = lines_with(text)
    return lambda: wait_for(f"another line with {text}", lambda: lines_with(text) > before)


@case
def an_email_goes_by_starttls_and_the_login_of_the_file():
    with box_with() as box:
        address = asked()
        wait_for("the e-mail", lambda: box.to(address))
        assert box.encrypted == [True], box.encrypted


@case
def a_server_without_starttls_gets_nothing():
    said = said_again("tries again")
    with box_with(tls=False) as box:
        address = asked()
        said()
        assert box.attempts == 0 and not box.taken
    with box_with() as box:
        wait_for("the e-mail", lambda: box.to(address))


@case
def a_server_whose_certificate_nobody_vouches_for_gets_nothing():
    whole = ca.read_text()
    with box_with() as box:
        certificate(ca, it.folder / "other.pem")  # the server goes on with the former one
        started_again()
        said = said_again("tries again")
        address = asked()
        said()
        assert box.attempts == 0 and "certificate" in it.log(MAILER).splitlines()[-1].lower(), (
            it.log(MAILER)[-500:])
        ca.write_text(whole)
        started_again()
        wait_for("the e-mail", lambda: box.to(address))


@case
def a_password_that_is_wrong_loses_no_email():
    with box_with() as box:
        write_password("another one")
        started_again()
        said = said_again("tries again")
        address = asked()
        said()
        assert not box.taken
        write_password("a secret of the test")
        started_again()
        wait_for("the e-mail", lambda: box.to(address))
    assert it.sql("select count(*) from identity.effect where outcome <> 'sent'") == [(0,)]


@case
def a_setting_that_is_wrong_is_named():
    def says(*words, **settings):
        told = it.nova("run", "mailer", "identity", code=1, seconds=60,
                       *(f"--set={name.replace('__', '.')}={value}" for name, value in settings.items()))
        assert all(word in told.stderr for word in words), (words, told.stderr)
    says("mail.smtp_url is not set", mail__smtp_url="")
    says("mail.smtp_url wants", mail__smtp_url="http://mail.example.org")
    says("mail.smtp_url wants", "mail.smtp_password_file",
         mail__smtp_url="smtp://user:secret@mail.example.org")
    says("mail.from wants", mail__from="nobody")
    says("mail.from wants", mail__from="a@example.org\\nBcc: b@example.org")
    says("mail.smtp_password_file", mail__smtp_password_file="/nowhere/password")
    write_password("a secret of the test", 0o644)
    says("may be read by others")
    write_password("")
    says("holds no password")
    write_password("a secret of the test")
    says("/nowhere/password_reset.txt", "mail.templates", mail__templates="/nowhere")
    folder = it.folder / "templates"
    folder.mkdir()
    (folder / "password_reset.txt").write_text("Hello {token}\n")
    says("Subject", mail__templates=str(folder))


@case
def a_second_mailer_stands_by_until_the_first_is_gone():
    with box_with() as box:
        second = subprocess.Popen([str(NOVA), "run", "mailer", "identity"],
                                  env=it.environment(), stderr=subprocess.PIPE, text=True)
        try:
            addresses = [asked() for _ in range(3)]
            wait_for("the e-mails", lambda: all(box.to(each) for each in addresses))
            assert len(box.taken) == 3, box.taken
        finally:
            second.terminate()
            said = second.communicate(timeout=60)[1]
    assert second.returncode == 0 and "mailer: ready" in said and "mailer: sent" not in said, said


if __name__ == "__main__":
    with it:
        certificate(ca, key)
        write_password("a secret of the test")
        it.up()
        status = main()
    sys.exit(status)
