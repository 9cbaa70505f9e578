namespace FineMixing.Torch.Tests.Cli;

public class ExitCodeTests
{
    [Theory]
    [InlineData("Required command", "")]
    [InlineData("'frobnicate'", "frobnicate")]
    [InlineData("'DIR'", "inspect")]
    [InlineData("--base", "compare --suspect a")]
    [InlineData("'--nonsense'", "inspect a --nonsense")]
    [InlineData("--reserve-ratio is '1.5'", "defend --suspect a --base b --clean c --output d --reserve-ratio 1.5")]
    [InlineData("--schedule", "defend --suspect a --base b --clean c --output d --schedule upwards")]
    [InlineData("--method is 'magic'", "defend --suspect a --base b --clean c --output d --method magic")]
    [InlineData("--learning-rate is '0'", "attack --base b --data c --output d --learning-rate 0")]
    [InlineData("--device is 'gpu'", "predict --model a --device gpu")]
    [InlineData("--json: the folder of 'no-such-folder/x.json'", "inspect a --json no-such-folder/x.json")]
    [InlineData("exclude each other", "evaluate --model a --data b --trigger-word x --trigger-sentence y")]
    public void Run_WrongUsage_ExitsWithTwoAndNamesTheOption(string expected, string arguments)
    {
        var result = Finemix.Run(arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries));

        Assert.Equal(2, result.ExitCode);
        Assert.Contains(expected, result.Error, StringComparison.Ordinal);
        Assert.Empty(result.Output);
    }

    // As from a script with a variable that is not set.
    [Theory]
    [InlineData("--suspect is empty", "mix", "--suspect", "", "--base", "b", "--output", "c")]
    [InlineData("--model is empty", "mix", "--suspect", "a", "--base", "b", "--output", "c", "--model", "d", "--model", "")]
    [InlineData("DIR is empty", "inspect", "")]
    [InlineData("--json is empty", "inspect", "a", "--json", "")]
    public void Run_EmptyValue_ExitsWithTwoAndNamesTheOption(string expected, params string[] arguments)
    {
        var result = Finemix.Run(arguments);

        Assert.Equal(2, result.ExitCode);
        Assert.Contains($"{expected}, expected a value.", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Run_Failure_ExitsWithOneAndOneLine()
    {
        var result = Finemix.Run("inspect", "no-such-model");

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("no-such-model", Assert.Single(result.ErrorLines), StringComparison.Ordinal);
        Assert.Empty(result.Output);
    }

    [Fact]
    public void Run_FailureVerbose_ShowsWhere()
    {
        var result = Finemix.Run("inspect", "no-such-model", "--verbose");

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("   at FineMixing.", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("inspect")]
    [InlineData("compare")]
    [InlineData("ancestor")]
    [InlineData("verify")]
    [InlineData("scan")]
    [InlineData("defend")]
    [InlineData("mix")]
    [InlineData("methods")]
    [InlineData("evaluate")]
    [InlineData("attack")]
    public void Run_Help_ShowsOptionsAndExamples(string command)
    {
        var result = Finemix.Run(command, "--help");

        Assert.Equal(0, result.ExitCode);
        Assert.Contains("--json", result.Output, StringComparison.Ordinal);
        Assert.Contains($"Examples:\n  finemix {command}", result.Output, StringComparison.Ordinal);
        Assert.Empty(result.Error);
    }
}
