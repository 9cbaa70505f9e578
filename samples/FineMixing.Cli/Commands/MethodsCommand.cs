using System.CommandLine;
using System.Globalization;
using FineMixing.Cli.CommandLine;
using FineMixing.Cli.Terminal;
using FineMixing.Mixing;

namespace FineMixing.Cli.Commands;

/// <summary><c>finemix methods</c>: what <c>finemix mix</c> can do, and where it comes from.</summary>
internal static class MethodsCommand
{
    public static Command Create()
    {
        var json = CommonOptions.Json();
        var command = new ExampleCommand("methods", "Lists the methods of 'finemix mix' with their parameters, the number of further models (--model) and their publications.",
            "finemix methods")
        {
            json,
        };
        command.SetAction(parsed => Run(parsed.GetValue(json)));
        return command;
    }

    private static int Run(string? json)
    {
        foreach (var mixer in WeightMixers.All)
        {
            Screen.Line($"{mixer.Name}: {mixer.Title}");
            Screen.Line($"  further models: {Models(mixer.Inputs)}; parameters: {Parameters(mixer.Name)}; reserve ratio: {(mixer.UsesReserveRatio ? "yes" : "no")}");
            Screen.Line($"  {mixer.Citation}");
        }

        JsonFile.Write(json, new
        {
            methods = WeightMixers.All.Select(m => new
            {
                name = m.Name,
                title = m.Title,
                parameters = WeightMixers.ParametersOf(m.Name),
                usesReserveRatio = m.UsesReserveRatio,
                fewestModels = m.Inputs.MinimumOthers,
                mostModels = m.Inputs.MaximumOthers,
                citation = m.Citation,
            }),
        });
        return 0;
    }

    private static string Models(MixerInputs inputs) => inputs.MaximumOthers == 0
        ? "none"
        : string.Create(CultureInfo.InvariantCulture, $"{inputs.MinimumOthers} to {inputs.MaximumOthers}");

    private static string Parameters(string name) => WeightMixers.ParametersOf(name) is { Count: > 0 } names ? string.Join(", ", names) : "none";
}
