using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using FineMixing.Checkpoints;
using FineMixing.Models;

namespace FineMixing.Tools.EmbeddedModel;

/// <summary>Writes an encoder without a head as a Hugging Face model folder, in half precision.</summary>
internal static class EncoderFolder
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes all files or none.</summary>
    public static void Write(ClassifierModel model, string folder, string tokenizerFolder)
    {
        var weights = new StateDict(folder);
        foreach (var info in model.Weights.Tensors.Where(t => t.Name.StartsWith("bert.", StringComparison.Ordinal)))
        {
            var tensor = model.Weights[info.Name].ConvertTo(DType.F16);
            weights.Add(new HostTensor(tensor.Info.WithName(info.Name["bert.".Length..]), tensor.Bytes));
        }

        var files = ModelFolder.TokenizerFiles.Select(name => Path.Combine(tokenizerFolder, name)).Where(File.Exists)
            .ToDictionary(path => Path.GetFileName(path), path => (ReadOnlyMemory<byte>)File.ReadAllBytes(path));
        files["config.json"] = Encoding.UTF8.GetBytes(Config(model.Config));
        CheckpointWriter.Write(weights, folder, new CheckpointWriterOptions { ExtraFiles = files });
    }

    private static string Config(ModelConfig config)
    {
        var root = (JsonObject)JsonNode.Parse(config.SourceJson)!;
        root.Remove("_name_or_path");
        root["architectures"] = new JsonArray("BertModel");
        root["num_hidden_layers"] = config.Layers;
        root["vocab_size"] = config.VocabularySize;
        root["pad_token_id"] = config.PadTokenId;
        root["dtype"] = "float16";
        return root.ToJsonString(Indented) + "\n";
    }
}
