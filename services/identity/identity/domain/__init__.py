"""Who is who: pure rules about tenants, users, roles and sign-in."""
