using FineMixing.Checkpoints;
using FineMixing.Mixing;
using FineMixing.Tests;

namespace FineMixing.Torch.Tests.Cli;

public sealed class MixCommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("finemix-mix-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Mix_ThenReplay_GivesTheSameBytesWithoutTorchSharp()
    {
        var (suspect, @base) = (TinyModel.WriteEncoder(InFolder("suspect"), drift: 0.1f), TinyModel.WriteEncoder(InFolder("base")));
        var list = InFolder("assemblies.txt");

        var mixed = Finemix.Run(["mix", "--suspect", suspect, "--base", @base, "--output", InFolder("mixed"), "--reserve-ratio", "0.3", "--seed", "7"], null, new Dictionary<string, string>
        {
            ["DOTNET_STARTUP_HOOKS"] = typeof(MixCommandTests).Assembly.Location,
            [StartupHook.ListVariable] = list,
        });
        var again = Finemix.Run("mix", "--replay", InFolder("mixed"), "--suspect", suspect, "--base", @base, "--output", InFolder("again"));

        Assert.True(mixed.ExitCode == 0, mixed.Error);
        Assert.True(again.ExitCode == 0, again.Error);
        Assert.DoesNotContain("differ from those of the manifest", again.Output, StringComparison.Ordinal);
        Assert.Equal(File.ReadAllBytes(Weights("mixed")), File.ReadAllBytes(Weights("again")));
        Assert.NotEqual(File.ReadAllBytes(Path.Combine(suspect, Checkpoint.SafetensorsFile)), File.ReadAllBytes(Weights("mixed")));
        Assert.True(File.Exists(Path.Combine(InFolder("mixed"), "vocab.txt")));
        Assert.Equal(0, Finemix.Run("verify", InFolder("mixed")).ExitCode);
        Assert.DoesNotContain("TorchSharp", File.ReadAllLines(list));
    }

    [Fact]
    public void Mix_ReplayWithAnotherVocabulary_SaysSo()
    {
        var (suspect, @base) = (TinyModel.WriteEncoder(InFolder("suspect"), drift: 0.1f), TinyModel.WriteEncoder(InFolder("base")));
        Assert.Equal(0, Finemix.Run("mix", "--suspect", suspect, "--base", @base, "--output", InFolder("mixed")).ExitCode);
        foreach (var folder in new[] { suspect, @base })
            File.Move(Path.Combine(folder, "vocab.txt"), Path.Combine(folder, "words.txt"));
        var again = Finemix.Run("mix", "--replay", InFolder("mixed"), "--suspect", suspect, "--base", @base, "--output", InFolder("again"));
        Assert.Equal(0, again.ExitCode);
        Assert.Contains("Files that are not weights differ from those of the manifest: 'vocab.txt', 'words.txt'.", again.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--exact-count")]
    [InlineData("--granularity", "row")]
    public void Mix_OptionsOfTheRandomMask_WorkWithTheMethodThatIsDefault(params string[] options)
    {
        var (suspect, @base) = (TinyModel.WriteEncoder(InFolder("suspect"), drift: 0.1f), TinyModel.WriteEncoder(InFolder("base")));
        string[] all = ["mix", "--suspect", suspect, "--base", @base, "--output"];
        Assert.Equal(0, Finemix.Run([.. all, InFolder("mixed"), .. options]).ExitCode);
        Assert.Equal(0, Finemix.Run([.. all, InFolder("plain")]).ExitCode);
        Assert.NotEqual(File.ReadAllBytes(Weights("plain")), File.ReadAllBytes(Weights("mixed")));
        Assert.Equal(2, Finemix.Run([.. all, InFolder("other"), .. options, "--method", "slerp"]).ExitCode);
    }

    [Theory]
    [InlineData("--method", "fine-mixing", "--method", "slerp")]
    [InlineData("--replay", "a", "--replay", "b")]
    [InlineData("--parameter")]
    [InlineData("--method")]
    public void Mix_OptionTwiceOrWithoutValue_IsOneLine(params string[] options)
    {
        var result = Finemix.Run(["mix", "--suspect", "a", "--base", "b", "--output", InFolder("mixed"), .. options]);
        Assert.Equal(2, result.ExitCode);
        Assert.DoesNotContain("Unhandled", result.Error, StringComparison.Ordinal);
        Assert.Contains(options[0], result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Mix_OutputExists_IsRefusedAndKept()
    {
        var (suspect, @base) = (TinyModel.WriteEncoder(InFolder("suspect"), drift: 0.1f), TinyModel.WriteEncoder(InFolder("base")));
        var before = File.ReadAllBytes(Path.Combine(suspect, Checkpoint.SafetensorsFile));

        var result = Finemix.Run("mix", "--suspect", suspect, "--base", @base, "--output", suspect);

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("already exists", Assert.Single(result.ErrorLines), StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(Path.Combine(suspect, Checkpoint.SafetensorsFile)));
    }

    [Fact]
    public void Mix_UnrelatedBase_IsRefusedUnlessForced()
    {
        var (suspect, @base) = (TinyModel.WriteEncoder(InFolder("suspect")), TinyModel.WriteEncoder(InFolder("base"), seed: 2));

        var refused = Finemix.Run("mix", "--suspect", suspect, "--base", @base, "--output", InFolder("mixed"));
        var forced = Finemix.Run("mix", "--suspect", suspect, "--base", @base, "--output", InFolder("mixed"), "--force");

        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("hardly", Assert.Single(refused.ErrorLines), StringComparison.Ordinal);
        Assert.Equal(0, forced.ExitCode);
    }

    [Fact]
    public void Mix_Adapter_ThenReplay_GivesTheSameBytes()
    {
        var (@base, adapter) = (TinyModel.WriteEncoder(InFolder("base")), TinyModel.WriteAdapter(InFolder("adapter")));

        var mixed = Finemix.Run("mix", "--suspect", @base, "--adapter", adapter, "--base", @base, "--output", InFolder("mixed"));
        var again = Finemix.Run("mix", "--replay", InFolder("mixed"), "--suspect", @base, "--adapter", adapter, "--base", @base, "--output", InFolder("again"));
        var without = Finemix.Run("mix", "--replay", InFolder("mixed"), "--suspect", @base, "--base", @base, "--output", InFolder("without"));

        Assert.True(mixed.ExitCode == 0, mixed.Error);
        Assert.True(again.ExitCode == 0, again.Error);
        Assert.Equal(File.ReadAllBytes(Weights("mixed")), File.ReadAllBytes(Weights("again")));
        Assert.NotEqual(File.ReadAllBytes(Path.Combine(@base, Checkpoint.SafetensorsFile)), File.ReadAllBytes(Weights("mixed")));
        Assert.Equal(1, without.ExitCode);
        Assert.Contains("adapter_model.safetensors", Assert.Single(without.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public void Mix_PyTorchShardsAndSafetensorsShards_AreMixedAndTheChoiceIsSaid()
    {
        foreach (var folder in new[] { SharedData.Path("oracle", "pickle", "bert-sharded"), SharedData.Path("oracle", "models", "bert") })
        {
            foreach (var file in Directory.GetFiles(folder, "*model*"))
                File.Copy(file, Path.Combine(Directory.CreateDirectory(InFolder("both")).FullName, Path.GetFileName(file)));
        }

        string Mix(string suspect, string output)
        {
            var result = Finemix.Run("mix", "--suspect", suspect, "--base", SharedData.Path("oracle", "sharded"), "--output", InFolder(output));
            Assert.True(result.ExitCode == 0, result.Error);
            return result.Error;
        }

        Assert.DoesNotContain("several checkpoints", Mix(SharedData.Path("oracle", "pickle", "bert-sharded"), "pickle"), StringComparison.Ordinal);
        Assert.Contains("several checkpoints (model.safetensors, pytorch_model.bin.index.json); reading model.safetensors", Mix(InFolder("both"), "safetensors"), StringComparison.Ordinal);
        Assert.Equal(File.ReadAllBytes(Weights("pickle")), File.ReadAllBytes(Weights("safetensors")));
    }

    [Theory]
    [InlineData("fine-mixing", "densities=0.5", "takes no parameters")]
    [InlineData("slerp", "weights=1,2", "takes interpolation")]
    [InlineData("slerp", "interpolation=0.1,0.2", "expected one number")]
    [InlineData("slerp", "t=0.1", "no parameter 't'")]
    public void Mix_ParameterTheMethodDoesNotTake_IsRefused(string method, string parameter, string expected)
    {
        var model = TinyModel.WriteEncoder(InFolder("model"));

        var result = Finemix.Run("mix", "--suspect", model, "--base", model, "--output", InFolder("mixed"), "--method", method, "--parameter", parameter);

        Assert.Equal(1, result.ExitCode);
        Assert.Contains(expected, Assert.Single(result.ErrorLines), StringComparison.Ordinal);
        Assert.False(Directory.Exists(InFolder("mixed")));
    }

    [Theory]
    [InlineData("--granularity", "row")]
    [InlineData("--exact-count", "true")]
    public void Mix_MaskOptionOfAMethodWithoutMask_IsWrongUsage(string option, string value)
    {
        var model = TinyModel.WriteEncoder(InFolder("model"));

        var result = Finemix.Run("mix", "--suspect", model, "--base", model, "--output", InFolder("mixed"), "--method", "linear", option, value);

        Assert.Equal(2, result.ExitCode);
        Assert.Contains($"{option} cannot be given with --method linear", result.ErrorLines[0], StringComparison.Ordinal);
        Assert.False(Directory.Exists(InFolder("mixed")));
    }

    [Theory]
    [InlineData("wag", "--reserve-ratio", "0.3")]
    [InlineData("nearswap", "--reserve-ratio", "0.3")]
    [InlineData("model_stock", "--schedule", "reset-top:3")]
    public void Mix_RatioOfAMethodWithoutOne_IsWrongUsage(string method, string option, string value)
    {
        var model = TinyModel.WriteEncoder(InFolder("model"));

        var result = Finemix.Run("mix", "--suspect", model, "--base", model, "--output", InFolder("mixed"), "--method", method, option, value);

        Assert.Equal(2, result.ExitCode);
        Assert.Contains($"{option} cannot be given with --method {method}", result.ErrorLines[0], StringComparison.Ordinal);
        Assert.False(Directory.Exists(InFolder("mixed")));
    }

    [Theory]
    [InlineData("""{ "a": 0, "b": 1 }""", """{ "b": 1, "a": 0 }""", true)]
    [InlineData("""{ "a": 0, "b": 1 }""", """{ "a": 1, "b": 0 }""", false)]
    [InlineData("""[["a", -1.5], ["b", -2]]""", """[["a", -1.5], ["b", -3]]""", true)]
    [InlineData("""[["a", -1.5], ["b", -2]]""", """[["b", -1.5], ["a", -2]]""", false)]
    public void Mix_TokenizerOfAnotherKind_ComparesTheTokens(string suspectVocabulary, string baseVocabulary, bool same)
    {
        foreach (var (name, vocabulary) in new[] { ("suspect", suspectVocabulary), ("base", baseVocabulary) })
        {
            TinyModel.WriteEncoder(InFolder(name));
            File.WriteAllText(Path.Combine(InFolder(name), "tokenizer.json"), $$"""{ "model": { "type": "{{(vocabulary[0] == '[' ? "Unigram" : "BPE")}}", "vocab": {{vocabulary}} }, "added_tokens": [{ "id": 2, "content": "<s>" }] }""");
        }

        var result = Finemix.Run("mix", "--suspect", InFolder("suspect"), "--base", InFolder("base"), "--output", InFolder("mixed"), "--force");

        Assert.True(result.ExitCode == (same ? 0 : 1), result.Error);
        if (!same)
            Assert.Contains("The vocabularies differ in 2 tokens", Assert.Single(result.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public void Mix_CtrlC_LeavesNothingAndSaysSoInOneLine()
    {
        // Some seconds of work for a method that ranks elements.
        using var weights = new StateDict();
        for (var i = 0; i < 128; i++)
            weights.Add(HostTensor.FromFloat32(FormattableString.Invariant($"layers.{i}.weight"), [1 << 16], [.. Enumerable.Range(0, 1 << 16).Select(k => k * 1e-4f)]));
        CheckpointWriter.Write(weights, InFolder("model"));

        var result = Finemix.RunInterrupted("INT", "mix", "--suspect", InFolder("model"), "--base", InFolder("model"), "--output", InFolder("mixed"), "--method", "ties", "--threads", "1", "--force");

        Assert.Equal(1, result.ExitCode);
        Assert.Equal("finemix: cancelled; nothing was written.", result.ErrorLines[^1]);
        Assert.False(Directory.Exists(InFolder("mixed")));
    }

    [Fact]
    public void Mix_NoRoomForTheOutput_LeavesNothingAndSaysSoInOneLine()
    {
        var (suspect, @base) = (TinyModel.WriteEncoder(InFolder("suspect"), drift: 0.1f), TinyModel.WriteEncoder(InFolder("base")));

        var result = Finemix.RunWithFileLimit(8, "mix", "--suspect", suspect, "--base", @base, "--output", InFolder("mixed"));

        Assert.Equal(1, result.ExitCode);
        Assert.StartsWith("finemix: ", result.ErrorLines[^1], StringComparison.Ordinal);
        Assert.False(Directory.Exists(InFolder("mixed")));
    }

    [Fact]
    public void Methods_List_ShowsEveryMethodWithItsPublication()
    {
        var result = Finemix.Run("methods");

        Assert.Equal(0, result.ExitCode);
        Assert.All(WeightMixers.All, m => Assert.Matches($@"(?m)^{m.Name}: .+\n  further models: .+; parameters: .+\n  .*\d{{4}}", result.Output));
    }

    [Theory]
    [InlineData("--seed", "2")]
    [InlineData("--reserve-ratio", "0.3")]
    public void Mix_ReplayWithOptionOfTheManifest_IsWrongUsage(string option, string value)
    {
        var result = Finemix.Run("mix", "--replay", "m", "--suspect", "a", "--base", "b", "--output", "c", option, value);

        Assert.Equal(2, result.ExitCode);
        Assert.Contains(option, result.Error, StringComparison.Ordinal);
    }

    private string InFolder(string name) => Path.Combine(_folder, name);

    private string Weights(string folder) => Path.Combine(InFolder(folder), Checkpoint.SafetensorsFile);
}
