using System.Collections.Immutable;
using System.Text;
using FineMixing.Checkpoints;
using FineMixing.Provenance;
using FineMixing.Tests.Checkpoints;

namespace FineMixing.Tests.Provenance;

public class ProvenanceManifestTests
{
    private static readonly ProvenanceManifest Sample = new()
    {
        LibraryVersion = "1.2.3",
        Method = "fine-mixing",
        Options = ImmutableSortedDictionary.CreateRange(StringComparer.Ordinal, [KeyValuePair.Create("b", "2"), KeyValuePair.Create("a", "0.5")]),
        Seed = ulong.MaxValue,
        Inputs = [new ProvenanceInput("suspect", [new HashedFile("model.safetensors", 3, "aa")])],
        Tensors = [new TensorProvenance("w", "fine-mixing", 10, 5, 0.5), new TensorProvenance("classifier.weight", "suspect", 4)],
        Outputs = [new HashedFile("model.safetensors", 4, "bb")],
    };

    [Fact]
    public void ToBytes_KnownManifest_HasThePinnedText() => Assert.Equal(
        """
        {
          "format": 1,
          "libraryVersion": "1.2.3",
          "method": "fine-mixing",
          "options": {
            "a": "0.5",
            "b": "2"
          },
          "seed": 18446744073709551615,
          "inputs": [
            {
              "role": "suspect",
              "files": [
                {
                  "name": "model.safetensors",
                  "length": 3,
                  "sha256": "aa"
                }
              ]
            }
          ],
          "tensors": [
            {
              "name": "w",
              "treatment": "fine-mixing",
              "elements": 10,
              "fromSuspect": 5,
              "reserveRatio": 0.5
            },
            {
              "name": "classifier.weight",
              "treatment": "suspect",
              "elements": 4
            }
          ],
          "outputs": [
            {
              "name": "model.safetensors",
              "length": 4,
              "sha256": "bb"
            }
          ]
        }

        """.ReplaceLineEndings("\n"), Encoding.UTF8.GetString(Sample.ToBytes()));

    [Fact]
    public void Read_WrittenManifest_IsEqual()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["finemixing.json"], Sample.ToBytes());
        Assert.Equal(Sample, ProvenanceManifest.Read(folder.Path));
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"method":null}""")]
    [InlineData("""{"method":"x","unknown":1}""")]
    [InlineData("""{"method":"x","method":"y"}""")]
    [InlineData("""{"method":"x","format":2}""")]
    [InlineData("""{"method":"x","outputs":null}""")]
    [InlineData("""{"method":"x","options":null}""")]
    [InlineData("""{"method":"x","options":{"a":null}}""")]
    [InlineData("""{"method":"x","tensors":[null]}""")]
    [InlineData("""{"method":"x","outputs":[null]}""")]
    [InlineData("""{"method":"x","outputs":[{"name":null,"length":1,"sha256":""}]}""")]
    [InlineData("""{"method":"x","inputs":[{"role":"suspect","files":null}]}""")]
    [InlineData("""{"method":"x","outputs":[{"name":"../../etc/passwd","length":1,"sha256":""}]}""")]
    [InlineData("""{"method":"x","outputs":[{"name":"..","length":1,"sha256":""}]}""")]
    public void Read_NotAManifest_IsRefused(string json)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["finemixing.json"], json);
        Assert.Throws<CheckpointFormatException>(() => ProvenanceManifest.Read(folder.Path));
    }

    [Fact]
    public void Read_NoManifest_SaysSo()
    {
        using var folder = new TemporaryFolder();
        Assert.Throws<FileNotFoundException>(() => ManifestVerifier.Verify(folder.Path));
    }

    [Fact]
    public void Verify_ChangedMissingAndAddedFiles_ListsEachMismatch()
    {
        using var folder = new TemporaryFolder();
        foreach (var name in new[] { "same", "changed", "longer", "missing", "emptied", "linked" })
            File.WriteAllText(folder[name], name);
        var manifest = Sample with { Outputs = [.. folder.Names.Select(n => HashedFile.Of(folder[n]))] };
        File.WriteAllBytes(folder["finemixing.json"], manifest.ToBytes());
        Assert.Empty(ManifestVerifier.Verify(folder.Path));

        File.WriteAllText(folder["changed"], "CHANGED");
        File.AppendAllText(folder["longer"], "!");
        File.Delete(folder["missing"]);
        File.WriteAllText(folder["emptied"], "");
        using var elsewhere = new TemporaryFolder();
        File.Move(folder["linked"], elsewhere["linked"]);
        File.CreateSymbolicLink(folder["linked"], elsewhere["linked"]);
        File.WriteAllText(folder["pytorch_model.bin"], "");
        File.WriteAllText(folder["notes.txt"], "");
        var mismatches = ManifestVerifier.Verify(folder.Path);
        Assert.Equal(["changed", "emptied", "linked", "longer", "missing", "pytorch_model.bin"], mismatches.Select(m => m.Split('\'')[1]));
    }

    [Fact]
    public void VerifyInput_OtherContent_IsFound()
    {
        using var folder = new TemporaryFolder();
        CheckpointWriter.Write(StateDicts.Random(1, new TensorInfo("w", DType.F32, [2])), folder["a"]);
        CheckpointWriter.Write(StateDicts.Random(2, new TensorInfo("w", DType.F32, [2])), folder["b"]);
        using var a = Checkpoint.Open(folder["a"]);
        using var b = Checkpoint.Open(folder["b"]);
        var input = ProvenanceInput.Of("suspect", a);
        Assert.Empty(ManifestVerifier.VerifyInput(input, a));
        Assert.Contains("model.safetensors", Assert.Single(ManifestVerifier.VerifyInput(input, b)), StringComparison.Ordinal);
    }

    [Fact]
    public void Sha256_KnownText_HasTheKnownHash()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["abc"], "abc");
        Assert.Equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", FileHasher.Sha256(folder["abc"]));
    }

    [Fact]
    public void ToMetadata_Sample_IsShortText() => Assert.Equal(
        new Dictionary<string, string> { ["finemixing.version"] = "1.2.3", ["finemixing.method"] = "fine-mixing", ["finemixing.seed"] = "18446744073709551615", ["finemixing.options"] = "a=0.5; b=2" },
        Sample.ToMetadata());
}
