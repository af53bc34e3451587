from tenon_launcher.command import main

main()
