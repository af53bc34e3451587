from tenon_notifications.app import APP
from tenon_rpc.process import main

main(APP)
