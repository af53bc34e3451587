from tenon_launcher.command import main

main(prog_name="tenon")
