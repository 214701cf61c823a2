"""FAMILY of judges: those who count connections independently of the application."""
