"""What the piccolo CLI reads; nobody imports it. `PICCOLO_CONF=app.piccolo_conf`."""

from piccolo.conf.apps import AppRegistry

from app.kernel.database import DB

__all__ = ["APP_REGISTRY", "DB"]

APP_REGISTRY = AppRegistry(apps=["app.piccolo_app"])
