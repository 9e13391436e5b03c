# The application behind azulb in the black-box tests: Crystal's HTTP::Server, as an Azu app runs it, with nothing
# between. PORT, NAME and EXECUTED (a file that gets the id of each executed POST /count) come from the environment.
require "http/server"
require "json"

NAME     = ENV.fetch("NAME", "app")
EXECUTED = ENV.fetch("EXECUTED", "/dev/null")

class Mode
  class_property health = 200
  class_property all = 0 # when not 0, every answer but /control has this status
end

def whole_request(request : HTTP::Request) : String
  body = request.body.try(&.gets_to_end) || ""
  JSON.build do |json|
    json.object do
      json.field "replica", NAME
      json.field "method", request.method
      json.field "target", request.resource
      json.field "version", request.version
      json.field "body", body
      json.field "body_size", body.bytesize
      json.field "headers" do
        json.object { request.headers.each { |name, values| json.field name, values } }
      end
    end
  end
end

def count(context)
  id = context.request.query_params["id"]
  context.request.body.try(&.gets_to_end)
  File.open(EXECUTED, "a") { |file| file.print "#{id} #{NAME}\n" }
  context.response.print "counted #{id}"
end

def events(context)
  context.response.content_type = "text/event-stream"
  total = context.request.query_params.fetch("count", "3").to_i
  pause = context.request.query_params.fetch("ms", "50").to_i
  total.times do |number|
    context.response.print "data: #{number}\n\n"
    context.response.flush
    sleep pause.milliseconds
  end
end

def stream(context)
  total = context.request.query_params.fetch("chunks", "4").to_i
  size = context.request.query_params.fetch("size", "1000").to_i
  total.times do
    context.response.print "x" * size
    context.response.flush
  end
end

def route(context)
  request, response = context.request, context.response
  path = request.path
  case path
  when "/control" # ?health=503&all=503
    request.query_params["health"]?.try { |status| Mode.health = status.to_i }
    request.query_params["all"]?.try { |status| Mode.all = status.to_i }
    response.print "set"
    return
  when "/health"
    response.status_code = Mode.all != 0 ? Mode.all : Mode.health
    response.print "health"
    return
  end
  if Mode.all != 0
    response.status_code = Mode.all
    response.print "mode"
    return
  end
  case path
  when "/"       then response.print NAME
  when "/echo"   then response.content_type = "application/json"; response.print whole_request(request)
  when "/slow"   then sleep request.query_params.fetch("ms", "100").to_i.milliseconds; response.print NAME
  when "/count"  then count(context)
  when "/stream" then stream(context)
  when "/events" then events(context)
  when "/unread"
    response.status_code = 401
    response.print "who are you"
  when "/raise"
    raise "deliberate"
  else
    if path.starts_with?("/status/")
      response.status_code = path.lchop("/status/").to_i
      response.print "status" unless {204, 304}.includes?(response.status_code)
    else
      response.status_code = 404
      response.print "no such path"
    end
  end
end

echo = HTTP::WebSocketHandler.new do |socket, context|
  socket.on_message { |message| socket.send(message == "name?" ? NAME : message) }
  socket.on_binary { |data| socket.send(data) }
end

server = HTTP::Server.new do |context|
  if context.request.path == "/ws"
    echo.call(context)
  else
    route(context)
  end
end

server.bind_tcp("127.0.0.1", ENV["PORT"].to_i)
server.listen
