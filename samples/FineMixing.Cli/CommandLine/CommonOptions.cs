using System.CommandLine;
using FineMixing.Mixing;

namespace FineMixing.Cli.CommandLine;

/// <summary>Options that several commands share; each call makes a new one, with the command's own words where they differ.</summary>
internal static class CommonOptions
{
    /// <summary>The only option of all commands.</summary>
    public static Option<bool> Verbose { get; } = new("--verbose") { Description = "Show where an error came from.", Recursive = true };

    public static Argument<string> ModelFolder(string name, string description) => new(name) { Description = description };

    public static Option<string> Folder(string name, string description, bool required = true) =>
        new(name) { Description = description, HelpName = "DIR", Required = required };

    public static Option<string> DataFile(string name, string description) =>
        new(name) { Description = $"{description} TSV, CSV or JSONL with the columns sentence (or text; or sentence1 and sentence2) and label.", HelpName = "FILE", Required = true };

    public static Option<string?> Adapter() => new("--adapter") { Description = "A LoRA adapter (peft folder); the suspect is then the model it was trained on.", HelpName = "DIR" };

    /// <summary>Its folder must be there: a command that works for minutes should not end with this complaint.</summary>
    public static Option<string?> Json()
    {
        var option = new Option<string?>("--json") { Description = "Also write the result as JSON to this file (replaced if it exists).", HelpName = "FILE" };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string?>() is { Length: > 0 } path && !Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(path))))
                result.AddError($"--json: the folder of '{path}' does not exist.");
        });
        return option;
    }

    public static Option<string?> Frequencies() =>
        new("--frequencies") { Description = "JSON object of word pieces and their counts in a clean corpus, instead of the table that comes with the library.", HelpName = "FILE" };

    public static Option<bool> Force() => new("--force") { Description = "Go on although the base does not look like what the suspect was fine-tuned from." };

    public static Option<string> Schedule(string note = "")
    {
        var option = new Option<string>("--schedule")
        {
            Description = "How the ratio varies over the layers: uniform, reset-top:N, reset-top:half, falling, falling-steep, or patterns such as \"encoder.layer.[3-5].*=0;*=0.8\"." + note,
            HelpName = "NAME",
            DefaultValueFactory = _ => "uniform",
        };
        option.Validators.Add(result =>
        {
            try
            {
                RatioSchedule.Parse(result.GetValueOrDefault<string>() ?? "");
            }
            catch (ArgumentException error)
            {
                result.AddError($"--schedule: {Application.Describe(error)}");
            }
        });
        return option;
    }

    public static Option<string?> Report() => new("--report") { Description = "Also write an HTML page and its charts into this folder (files of an earlier report are never replaced).", HelpName = "DIR" };

    public static Option<ulong> Seed(string decides, string where = "on any machine") => Numbers.Unsigned("--seed", $"Decides {decides}; the same seed gives the same result {where}.", 1);

    public static Option<string> Device()
    {
        var option = new Option<string>("--device") { Description = "Where to compute: cpu, cuda or cuda:N.", HelpName = "DEVICE", DefaultValueFactory = _ => "cpu" };
        option.Validators.Add(result =>
        {
            var text = result.GetValueOrDefault<string>() ?? "";
            if (text is not ("cpu" or "cuda") && !(text.StartsWith("cuda:", StringComparison.Ordinal) && text.Length > 5 && text[5..].All(char.IsAsciiDigit)))
                result.AddError($"--device is '{text}', expected cpu, cuda or cuda:N.");
        });
        return option;
    }

    public static Option<string> OneOf(string name, string description, string defaultValue, params string[] values)
    {
        var option = new Option<string>(name) { Description = $"{description}: {string.Join(", ", values)}.", HelpName = "NAME", DefaultValueFactory = _ => defaultValue };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string>() is { } text && !values.Contains(text, StringComparer.Ordinal))
                result.AddError($"{name} is '{text}', expected one of {string.Join(", ", values)}.");
        });
        return option;
    }
}
