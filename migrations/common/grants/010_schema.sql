-- Who may look into the service's schema.
GRANT USAGE ON SCHEMA :"service" TO :"service_role", :"consumer_role", operator;
