using System.CommandLine;
using System.CommandLine.Help;
using FineMixing.Cli;
using FineMixing.Cli.CommandLine;
using FineMixing.Cli.Commands;

var root = new RootCommand("FineMixing removes backdoors from fine-tuned language models.")
{
    DefendCommand.Create(),
    ScanCommand.Create(),
    EvaluateCommand.Create(),
    PredictCommand.Create(),
    AttackCommand.Create(),
    MixCommand.Create(),
    InspectCommand.Create(),
    VerifyCommand.Create(),
    CompareCommand.Create(),
    AncestorCommand.Create(),
};
root.Options.Add(CommonOptions.Verbose);
root.Options.OfType<HelpOption>().Single().Action = new HelpWithExamples();
return await Application.RunAsync(root, args);
