using System.CommandLine;
using System.CommandLine.Help;
using FineMixing.Cli;
using FineMixing.Cli.CommandLine;
using FineMixing.Cli.Commands;

var commands = new Dictionary<string, Func<Command>>(StringComparer.Ordinal)
{
    ["defend"] = DefendCommand.Create,
    ["scan"] = ScanCommand.Create,
    ["evaluate"] = EvaluateCommand.Create,
    ["predict"] = PredictCommand.Create,
    ["attack"] = AttackCommand.Create,
    ["mix"] = MixCommand.Create,
    ["methods"] = MethodsCommand.Create,
    ["inspect"] = InspectCommand.Create,
    ["verify"] = VerifyCommand.Create,
    ["compare"] = CompareCommand.Create,
    ["ancestor"] = AncestorCommand.Create,
};
var root = new RootCommand("FineMixing removes backdoors from fine-tuned language models.");

// Building the options of a command costs milliseconds that a quick one would spend on all the others.
foreach (var create in args.Length > 0 && commands.TryGetValue(args[0], out var asked) ? [asked] : commands.Values.AsEnumerable())
    root.Subcommands.Add(create());
root.Options.Add(CommonOptions.Verbose);
root.Options.OfType<HelpOption>().Single().Action = new HelpWithExamples();
return Application.Run(root, args);
