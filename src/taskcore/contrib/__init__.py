"""What joins taskcore to frameworks. Each package here is an extra of its own; nothing else imports them."""
