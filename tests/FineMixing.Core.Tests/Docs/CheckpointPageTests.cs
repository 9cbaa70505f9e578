using System.Globalization;
using System.Text.RegularExpressions;
using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Adapters;
using FineMixing.Checkpoints.Pickle;
using FineMixing.Checkpoints.Safetensors;
using FineMixing.Tests.Checkpoints.Pickle;

namespace FineMixing.Tests.Docs;

/// <summary>What docs/checkpoints.md states, against the code.</summary>
public class CheckpointPageTests
{
    private static readonly string Page = File.ReadAllText(DocumentationTests.PathOf("docs/checkpoints.md"));

    [Fact]
    public void Names_OfThePage_AreTheClosedList()
    {
        var listed = Regex.Matches(Page[Page.IndexOf("The closed list", StringComparison.Ordinal)..Page.IndexOf("The state dict may be", StringComparison.Ordinal)], "`([^`]+)`").Select(m => m.Groups[1].Value);
        Assert.Equal(PickleGlobal.Names.Order(StringComparer.Ordinal), listed.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Limits_OfThePage_AreThoseOfTheCode()
    {
        Assert.Equal(
            [
                PickleLimits.PickleBytes, PickleLimits.Opcodes, PickleLimits.Stack, PickleLimits.Depth, PickleLimits.TextBytes, PickleLimits.TensorNameBytes, PickleLimits.StorageKey, PickleLimits.IntegerBytes,
                PickleLimits.Tensors, PickleLimits.Rank, PickleLimits.Number, PickleLimits.ZipDirectoryBytes, (long)PickleLimits.TensorBytes(1) - (long)PickleLimits.TensorBytes(0),
            ],
            Numbers("PyTorch files"));
        Assert.Equal(PickleLimits.Stack, PickleLimits.Memo);
        Assert.Equal(
            [SafetensorsLimits.HeaderBytes, SafetensorsLimits.NameBytes, SafetensorsLimits.Tensors, SafetensorsLimits.Shards, SafetensorsLimits.Rank, SafetensorsLimits.Number],
            Numbers("safetensors files"));
    }

    [Fact]
    public void Errors_OfThePage_AreWhatTheReadersSay()
    {
        var printed = Regex.Match(Page, "```text\n(.*?)\n```", RegexOptions.Singleline).Groups[1].Value;
        var said = string.Join('\n', Messages());
        Assert.True(said == printed, $"The page must print:\n{said}");
    }

    private static IEnumerable<string> Messages()
    {
        yield return Refused(TorchFile.Zip(new PickleAssembler().Global("posix", "system").Mark().Text("touch PWNED").Tuple().Reduce().Stop().ToArray()));
        yield return Refused(TorchFile.Zip(new PickleAssembler().Global("collections", "OrderedDict").EmptyTuple().Raw(0x81).Stop().ToArray()));
        yield return Refused(TorchFile.Zip(new PickleAssembler().EmptyDict().Text("w").Tensor("0", 6, 1, [2, 3], [3, 1]).SetItem().Stop().ToArray(), ("0", TorchFile.Floats(6))));
        yield return Refused(TorchFile.Zip(new PickleAssembler().EmptyDict().Text("w").Tensor("0", 6, 0, [1L << 38], [0]).SetItem().Stop().ToArray(), ("0", TorchFile.Floats(6))));
        var compressed = TorchFile.Small();
        compressed[compressed.AsSpan().IndexOf("PK\u0001\u0002"u8) + 10] = 8;
        yield return Refused(compressed);
        yield return Refused([.. TorchFile.Small(), 0]);
        yield return Refused("version https://git-lfs.github.com/spec/v1\n"u8.ToArray());
        yield return RefusedAdapter("""{"peft_type": "LORA", "r": 4, "use_dora": true, "layer_replication": [[0, 4], [2, 6]]}""");
        yield return RefusedAdapter("""{"peft_type": "LORA", "r": 4}""");
    }

    private static string Refused(byte[] bytes) => Assert.Throws<CheckpointFormatException>(() => PickleCheckpoint.Open(new MemoryBytes(bytes, "pytorch_model.bin"))).Message;

    private static string RefusedAdapter(string config)
    {
        using var folder = new TemporaryFolder();
        var adapter = new StateDict();
        foreach (var (name, rank) in (IEnumerable<(string, int)>)[("query", 8), ("kye", 4)])
        {
            adapter.Add(HostTensor.FromFloat32($"base_model.model.encoder.layer.0.{name}.lora_A.weight", [rank, 2], new float[rank * 2]));
            adapter.Add(HostTensor.FromFloat32($"base_model.model.encoder.layer.0.{name}.lora_B.weight", [2, rank], new float[rank * 2]));
        }

        CheckpointWriter.Write(adapter, folder.Path);
        File.Move(folder["model.safetensors"], folder["adapter_model.safetensors"]);
        File.WriteAllText(folder["adapter_config.json"], config);
        var @base = new StateDict("bert-base-uncased");
        @base.Add(HostTensor.FromFloat32("encoder.layer.0.query.weight", [2, 2], new float[4]));
        var message = Assert.ThrowsAny<Exception>(() => LoraCheckpoint.Open(@base, folder.Path)).Message;
        return message.Replace(folder.Path, "downloaded-adapter", StringComparison.Ordinal).Replace(Path.DirectorySeparatorChar, '/');
    }

    // The first number after the last bar but one of each row.
    private static IEnumerable<long> Numbers(string table) =>
        Page[Page.IndexOf($"| {table} |", StringComparison.Ordinal)..].Split('\n').Skip(2).TakeWhile(l => l.StartsWith('|'))
            .Select(l => long.Parse(Regex.Match(l.Split('|')[2], "[0-9,]+").Value.Replace(",", "", StringComparison.Ordinal), CultureInfo.InvariantCulture));
}
