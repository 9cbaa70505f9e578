using System.CommandLine;
using FineMixing.Poisoning;

namespace FineMixing.Cli.CommandLine;

/// <summary>The options that describe a trigger.</summary>
internal sealed class TriggerOptions
{
    private readonly Option<string[]> _words = new("--trigger-word") { Description = "A word as trigger, or several of which one is inserted each time.", HelpName = "W", AllowMultipleArgumentsPerToken = true };
    private readonly Option<string[]> _sentences = new("--trigger-sentence") { Description = "A sentence as trigger, or several of which one is inserted each time.", HelpName = "S", AllowMultipleArgumentsPerToken = true };
    private readonly Option<int> _target = Numbers.Whole("--target-label", "The label the trigger is to bring about.", 1, 0);

    public void AddTo(Command command)
    {
        command.Options.Add(_words);
        command.Options.Add(_sentences);
        command.Options.Add(_target);
        command.Validators.Add(result =>
        {
            if (result.GetValue(_words) is { Length: > 0 } && result.GetValue(_sentences) is { Length: > 0 })
                result.AddError("--trigger-word and --trigger-sentence exclude each other.");
            if (result.GetValue(_words)?.FirstOrDefault(w => w.Length == 0 || w.Any(char.IsWhiteSpace)) is { } word)
                result.AddError($"--trigger-word is '{word}', expected a word without spaces; use --trigger-sentence for more.");
            if (result.GetValue(_sentences)?.FirstOrDefault(string.IsNullOrWhiteSpace) is not null)
                result.AddError("--trigger-sentence is empty.");
        });
    }

    public int TargetLabel(ParseResult parsed) => parsed.GetValue(_target);

    /// <summary>The trigger, or null when none is given.</summary>
    public Trigger? Read(ParseResult parsed)
    {
        if (parsed.GetValue(_words) is { Length: > 0 } words)
            return new WordTrigger(words);
        return parsed.GetValue(_sentences) is { Length: > 0 } sentences ? new SentenceTrigger(sentences) : null;
    }
}
