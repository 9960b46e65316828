-- E-mails that wait and the tokens in them are the service's and its mailer's. An operator sees how
-- many wait, and for how long.
GRANT SELECT, INSERT, UPDATE, DELETE ON :"service".effect, :"service".mail_token TO :"service_role";
GRANT SELECT (kind, created_at, expires_at, attempts, done_at, outcome) ON :"service".effect TO operator;
